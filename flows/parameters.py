"""The parameters that flows share, as people meet them: choices, patterns and help in the UI's form."""

from __future__ import annotations

from typing import Annotated

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


MonthText = Annotated[
    str,
    BeforeValidator(_month_text),
    WithJsonSchema({"type": "string", "pattern": MONTH_PATTERN, "title": "Month", "examples": ["2020-10"]}),
]
DatasetName = Annotated[Dataset, Field(title="Dataset", description="Which trips: yellow, green, fhv or fhvhv.")]
MonthName = Annotated[MonthText, Field(title="Month", description="The file's month, as YYYY-MM, for example 2020-10.")]
SourceName = Annotated[
    Source,
    Field(title="Source", description="tlc: TLC's own Parquet files; mirror: the course's CSV files, 2019 to 2021-07."),
]
RuleName = Annotated[
    str, AfterValidator(_known_rule), WithJsonSchema({"type": "string", "enum": [rule.name for rule in rules()]})
]
DropRules = Annotated[
    list[RuleName],
    Field(
        title="Drop rules",
        description="Rows that break one of these are rejected and kept in rejected_trips; others are only counted.",
    ),
]
Force = Annotated[bool, Field(title="Force", description="Load again even where the target has this very file.")]
NewColumnsChoice = Annotated[
    NewColumns,
    Field(
        title="New columns",
        description="What to do with a column that no schema file declares: fail the month, or keep it as text.",
    ),
]


def month_request(
    dataset: Dataset, month: str, source: Source, drop_rules: list[str], new_columns: NewColumns = "fail"
) -> MonthRequest:
    """The parameters as one value; raises ParameterError where the source can never have that month."""
    request = MonthRequest(Dataset(dataset), Month.parse(month), Source(source), frozenset(drop_rules), new_columns)
    dataset_info(request.dataset).check_month(request.month, request.source)
    return request
