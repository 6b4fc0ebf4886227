"""The parameters that flows share, as people meet them: choices, patterns and help in the UI's form."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from flows.decide.reconcile.observed import CheckSource
from flows.decide.step import FILE_PATTERN, PARAMETER_PATTERN
from flows.decide.stream import UNTIL_WORDS, Until
from flows.tlc.dataset import Dataset, Source, dataset_info
from flows.tlc.errors import ParameterError
from flows.tlc.identity import MonthRequest, NewColumns
from flows.tlc.locations import LAYOUTS, Layout
from flows.tlc.month import MONTH_PATTERN, Month, months_between, newest_month
from flows.tlc.report import TARGETS, Target
from flows.tlc.rules import rules


def _known_rule(name: str) -> str:
    known = [rule.name for rule in rules()]
    if name not in known:
        raise ValueError(f"{name!r} is no rule: choose from {', '.join(known)}")
    return name


def _month_text(text: object) -> str:
    return str(Month.parse(text if isinstance(text, str) else repr(text)))


def help_text(text: str) -> Any:
    """The help that the UI's form shows beside a parameter. (Prefect drops a description given as such.)"""
    return Field(json_schema_extra={"description": text})


def told_in_words(pattern: str, words: str, *, instead: bool = True) -> dict[str, Any]:
    """JSON Schema of texts that match ``pattern``; of those that do not, if not ``instead``.

    Of a broken ``pattern`` a form would show the regular expression. Of this it says: 'words' was expected.
    """
    condition = {"pattern": pattern}
    return {"if": {"type": "string", **({"not": condition} if instead else condition)}, "then": {"const": words}}


_MONTH_SCHEMA = {
    "type": "string",
    **told_in_words(MONTH_PATTERN, "a month as YYYY-MM, for example 2020-10"),
    "examples": ["2020-10"],
}
MonthText = Annotated[str, BeforeValidator(_month_text), WithJsonSchema(_MONTH_SCHEMA)]


def optional_text(what: str, schema: dict[str, Any] | None = None) -> WithJsonSchema:
    """How a text that may be left out is shown: as a choice between ``what`` (``a month``) and nothing.

    ``schema`` has the rules of the text. They stand beside the choice, since within it a broken one would only be told
    as "not valid under any of the given schemas".
    """
    rules = {name: rule for name, rule in (schema or {}).items() if name != "type"}
    return WithJsonSchema({"anyOf": [{"type": "string", "title": what}, {"type": "null", "title": "none"}], **rules})


MonthOrNone = Annotated[MonthText | None, optional_text("a month", _MONTH_SCHEMA)]
DatasetName = Annotated[
    Dataset, help_text("Which trips: yellow or green taxis, fhv (black cars), fhvhv (Uber, Lyft …).")
]
MonthName = Annotated[MonthText, help_text("The file's month, as YYYY-MM, for example 2020-10.")]
SourceName = Annotated[
    Source, help_text("tlc: TLC's own Parquet files; mirror: the course's CSV files, 2019-01 to 2021-07.")
]
RuleName = Annotated[
    str, AfterValidator(_known_rule), WithJsonSchema({"type": "string", "enum": [rule.name for rule in rules()]})
]
DropRules = Annotated[
    list[RuleName],
    help_text("Rows that break one of these are rejected and kept as such; rows that break others are only counted."),
]
Force = Annotated[bool, help_text("Load again even if the target has this very file.")]
NewColumnsChoice = Annotated[
    NewColumns,
    help_text("What to do with a column that no schema file declares: fail the month, or keep it as text."),
]


LayoutName = Literal["partitioned", "unpartitioned", "both"]
LayoutChoice = Annotated[
    LayoutName,
    help_text(
        "partitioned: a folder and a file for each pickup date, for queries of single days; unpartitioned: one file "
        "for the month, for everything else; both."
    ),
]


def _once_each_in_order(targets: list[Target]) -> list[Target]:
    return [target for target in TARGETS if target in targets]


TargetNames = Annotated[
    list[Literal["postgres", "gcs", "bigquery"]],
    Field(min_length=1),
    AfterValidator(_once_each_in_order),
    help_text("Where to: postgres; gcs, the lake (a bucket or a folder); bigquery, the warehouse, from the lake."),
]
MaxParallel = Annotated[
    Annotated[int, Field(ge=1, le=32)] | None,
    help_text(
        "Months that are loaded at once. By default one a core, from two to four, fewer if memory is short; four into "
        "the warehouse alone, and if they are loaded elsewhere."
    ),
]
# Where months are loaded.
RunOn = Literal["here", "work_pool", "dask"]
RunOnChoice = Annotated[
    Literal["here", "work_pool", "dask"],
    help_text(
        "here: in this run's process; work_pool: each month a run of load-month, for any number of workers; dask: on "
        "the Dask cluster at dask_address."
    ),
]
DaskAddress = Annotated[
    str | None,
    optional_text("an address"),
    help_text("The Dask scheduler, as tcp://host:port, for run_on=dask alone; in a deployment's run only its own."),
]
PlanOnly = Annotated[bool, help_text("Say what there is to do, and do nothing.")]
FirstMonth = Annotated[
    MonthOrNone, help_text("The first month, as YYYY-MM; none: eleven before the last, a year in all.")
]
LastMonth = Annotated[
    MonthOrNone,
    help_text("The last month, as YYYY-MM; none: the newest one that can be out when the run is scheduled."),
]
NewestMonthName = Annotated[
    MonthOrNone,
    help_text("The file's month, as YYYY-MM; none: the newest one that can be out when the run is scheduled."),
]


def _each_once_in_order(datasets: list[Dataset]) -> list[Dataset]:
    return [dataset for dataset in Dataset if dataset in datasets]


DatasetNames = Annotated[
    list[Dataset],
    Field(min_length=1),
    AfterValidator(_each_once_in_order),
    help_text("Which trips: yellow or green taxis, fhv (black cars), fhvhv (Uber, Lyft …)."),
]
FromMonth = Annotated[
    MonthOrNone,
    help_text(
        "Load every published month from this one on, as YYYY-MM; none: what came after the newest loaded month, or, "
        "if nothing is loaded yet, the newest published one."
    ),
]
RecheckMonths = Annotated[
    int,
    Field(ge=0),
    help_text("How many of the newest loaded months are compared with the source again; 1000 are all of them."),
]
WorkersRunOn = Literal["here", "work_pool"]
RunOnWorkers = Annotated[
    WorkersRunOn,
    help_text("here: in this run's process; work_pool: each month a run of load-month, for any number of workers."),
]
FirstLoadedMonth = Annotated[
    MonthOrNone, help_text("The first month, as YYYY-MM; none: the first that any of the targets has.")
]
LastLoadedMonth = Annotated[
    MonthOrNone, help_text("The last month, as YYYY-MM; none: the last that any of the targets has.")
]
ComparedTargets = Annotated[
    list[Literal["postgres", "gcs", "bigquery"]],
    help_text("What has to be the same; none: every target that has a month of this dataset."),
]
CheckSourceChoice = Annotated[
    CheckSource,
    help_text(
        "rows: ask the source for its version, rows and pickups, a few kB a month; sums: download each month that the "
        "cache lacks, and add it up; none: compare the targets alone."
    ),
]

ModelsTargetName = Annotated[
    Literal["postgres", "bigquery"],
    help_text("Where the trips are and the models go: postgres; bigquery, the warehouse, whichever it is."),
]
DrawnTargetName = Annotated[
    Literal["postgres", "bigquery"],
    help_text("Where the models are: postgres; bigquery, the warehouse, whichever it is."),
]
FirstDrawnMonth = Annotated[
    MonthOrNone, help_text("The first month, as YYYY-MM; none: the first that the models have.")
]
LastDrawnMonth = Annotated[MonthOrNone, help_text("The last month, as YYYY-MM; none: the last that the models have.")]
SelectedModels = Annotated[
    str | None,
    optional_text("models"),
    help_text("Names of models with blanks between, or what dbt's --select takes; none: all."),
]
BuildModels = Annotated[
    bool, help_text("Build the models at the end, once, in Postgres and in the warehouse; needs dbt (make models).")
]
FullRefresh = Annotated[
    bool,
    help_text(
        "Build months whether they changed or not; without a range of months the models' tables are made anew, from "
        "all months at once."
    ),
]
_TOPIC_SCHEMA = told_in_words("^[A-Za-z0-9._-]{1,249}$", "letters, digits, dots, dashes and underscores")
_TopicText = Annotated[str, Field(pattern="^[A-Za-z0-9._-]{1,249}$")]
TopicName = Annotated[
    _TopicText,
    WithJsonSchema({"type": "string", **_TOPIC_SCHEMA}),
    help_text("The topic, as replay_trips names it: tlc.trips.green."),
]
TopicOrNone = Annotated[
    _TopicText | None,
    optional_text("a topic", _TOPIC_SCHEMA),
    help_text("The topic; none: tlc.trips. and the dataset. A topic that is not there is made."),
]
Speed = Annotated[
    float,
    Field(ge=0),
    help_text("How many times faster than the trips were: 3600 is an hour a second; 0: as fast as it goes."),
]
EventLimit = Annotated[
    Annotated[int, Field(ge=1)] | None, help_text("How many trips, from the first pickup on; none: the whole month.")
]
Share = Annotated[
    float,
    Field(ge=0, le=1),
    help_text("The share of events, 0 to 1, that are sent twice, an hour late, or up to a minute out of order."),
]


def _until_text(given: object) -> str:
    Until.parse(str(given))
    return str(given)


UntilText = Annotated[
    str, BeforeValidator(_until_text), WithJsonSchema({"type": "string"}), help_text(f"When to stop: {UNTIL_WORDS}.")
]
FromStart = Annotated[
    bool,
    help_text("Read the topic from its start: after its broker was emptied. What is sent again must have an event_id."),
]

StepFile = Annotated[
    str,
    Field(pattern=FILE_PATTERN),
    WithJsonSchema(
        {
            "type": "string",
            **told_in_words(FILE_PATTERN, "the name of a file in flows/steps, for example tips_by_hour.sql"),
            "examples": ["tips_by_hour.sql"],
        }
    ),
    help_text("The step: the name of a file in flows/steps, that ends with .sql, .py or .R."),
]
StepTargetName = Annotated[
    Literal["postgres", "bigquery"],
    help_text("What the step is connected to: postgres; bigquery, the warehouse, whichever it is."),
]
StepParameters = Annotated[
    list[Annotated[str, Field(pattern=PARAMETER_PATTERN)]],
    help_text("Values for parameters that the step's header names, each as name=value; others keep their defaults."),
]


def layouts_of(choice: LayoutName) -> frozenset[Layout]:
    """The layouts that a choice means."""
    return LAYOUTS if choice == "both" else frozenset({choice})


def check_order(first: Month | None, last: Month | None, dataset: Dataset | None = None) -> None:
    """Raise ParameterError if the first month is after the last; None is no bound."""
    if first and last and first > last:
        raise ParameterError(
            f"start_month {first} is after end_month {last}: the range has no month. Swap them, or leave one out.",
            dataset=dataset and str(dataset),
        )


def month_or_none(text: str | None) -> Month | None:
    """The month of a parameter that may be left out."""
    return Month.parse(text) if text else None


def month_range(dataset: Dataset, source: Source, start: str | None, end: str | None, scheduled: datetime) -> list[str]:
    """Every month from ``start`` to ``end``, both included; see the flows' forms for what None means.

    Raises ParameterError if the range is empty, or if the source can never have its first or last month.
    """
    info = dataset_info(Dataset(dataset))
    earliest, latest = info.span(Source(source))
    last = Month.parse(end) if end else min(newest_month(scheduled), latest or newest_month(scheduled))
    first = Month.parse(start) if start else max(last.plus(-11), earliest)
    check_order(first, last, info.dataset)
    for month in (first, last):
        info.check_month(month, Source(source))
    return [str(month) for month in months_between(first, last)]


def month_request(
    dataset: Dataset, month: str, source: Source, drop_rules: list[str], new_columns: NewColumns = "fail"
) -> MonthRequest:
    """The parameters as one value; raises ParameterError if the source can never have that month."""
    request = MonthRequest(Dataset(dataset), Month.parse(month), Source(source), frozenset(drop_rules), new_columns)
    dataset_info(request.dataset).check_month(request.month, request.source)
    return request
