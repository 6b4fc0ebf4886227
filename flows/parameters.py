"""The parameters that flows share, as people meet them: choices, patterns and help in the UI's form."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from flows.tlc.dataset import Dataset, Source, dataset_info
from flows.tlc.identity import MonthRequest, NewColumns
from flows.tlc.month import MONTH_PATTERN, Month
from flows.tlc.rules import rules


def _known_rule(name: str) -> str:
    known = [rule.name for rule in rules()]
    if name not in known:
        raise ValueError(f"{name!r} is no rule: choose from {', '.join(known)}")
    return name


def _month_text(text: object) -> str:
    return str(Month.parse(text if isinstance(text, str) else repr(text)))


def shown_as(text: str) -> Any:
    """The help that the UI's form shows beside a parameter. (Prefect drops a description given as such.)"""
    return Field(json_schema_extra={"description": text})


MonthText = Annotated[
    str,
    BeforeValidator(_month_text),
    WithJsonSchema({"type": "string", "pattern": MONTH_PATTERN, "examples": ["2020-10"]}),
]
DatasetName = Annotated[
    Dataset, shown_as("Which trips: yellow or green taxis, fhv (black cars), fhvhv (Uber, Lyft …).")
]
MonthName = Annotated[MonthText, shown_as("The file's month, as YYYY-MM, for example 2020-10.")]
SourceName = Annotated[
    Source, shown_as("tlc: TLC's own Parquet files; mirror: the course's CSV files, 2019-01 to 2021-07.")
]
RuleName = Annotated[
    str, AfterValidator(_known_rule), WithJsonSchema({"type": "string", "enum": [rule.name for rule in rules()]})
]
DropRules = Annotated[
    list[RuleName],
    shown_as("Rows that break one of these are rejected and kept as such; rows that break others are only counted."),
]
Force = Annotated[bool, shown_as("Load again even where the target has this very file.")]
NewColumnsChoice = Annotated[
    NewColumns,
    shown_as("What to do with a column that no schema file declares: fail the month, or keep it as text."),
]


def month_request(
    dataset: Dataset, month: str, source: Source, drop_rules: list[str], new_columns: NewColumns = "fail"
) -> MonthRequest:
    """The parameters as one value; raises ParameterError where the source can never have that month."""
    request = MonthRequest(Dataset(dataset), Month.parse(month), Source(source), frozenset(drop_rules), new_columns)
    dataset_info(request.dataset).check_month(request.month, request.source)
    return request
