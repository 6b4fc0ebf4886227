"""Rows that are not loaded, with the rule that rejected them: one shape for all datasets."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from flows.extract.read import RaggedLine
from flows.tlc.rules import RAGGED_LINE

# rule: of rules.toml, or of rules.UNLOADABLE. detail: the column and the value at fault, if there is one.
# row_number: 1 is the first row after the header; approximate after a ragged line. record: the raw row as JSON.
REJECTED_SCHEMA = pa.schema(
    [
        pa.field("rule", pa.string(), nullable=False),
        pa.field("detail", pa.string()),
        pa.field("row_number", pa.int64()),
        pa.field("record", pa.string(), nullable=False),
    ]
)
# What Arrow raises for values that Python's types do not have, and for types that it cannot take rows of.
_NOT_IN_PYTHON = (ValueError, OverflowError, LookupError, NotImplementedError)


def rejected_rows(
    raw: pa.RecordBatch, positions: Sequence[int], rules: Sequence[str], details: Sequence[str | None], first_row: int
) -> pa.RecordBatch:
    """The rows at ``positions`` of a raw batch as rejected rows; ``first_row`` is the number of the batch's first."""
    records = _records(raw, positions)
    return pa.record_batch(
        [
            pa.array(rules, pa.string()),
            pa.array(details, pa.string()),
            pa.array([first_row + position for position in positions], pa.int64()),
            pa.array([_as_json(record) for record in records], pa.string()),
        ],
        schema=REJECTED_SCHEMA,
    )


def rejected_lines(lines: Sequence[RaggedLine]) -> pa.RecordBatch:
    """Ragged lines of a CSV file as rejected rows."""
    return pa.record_batch(
        [
            pa.array([RAGGED_LINE] * len(lines), pa.string()),
            pa.array([line.problem for line in lines], pa.string()),
            pa.array([line.row_number - 1 if line.row_number else None for line in lines], pa.int64()),
            pa.array([_as_json({"line": line.text}) for line in lines], pa.string()),
        ],
        schema=REJECTED_SCHEMA,
    )


def plain_value(value: pa.Scalar[Any]) -> Any:
    """An Arrow scalar in Python, or what Arrow has for it if Python has nothing.

    That is the number of a time beyond Python's years or in an unknown zone, and the bytes of a text without UTF-8.
    """
    try:
        return value.as_py()
    except _NOT_IN_PYTHON:
        if hasattr(value, "as_buffer"):
            return value.as_buffer().to_pybytes()
        inner = getattr(value, "value", None)  # of a time, a dictionary, an extension
        if inner is None:
            return f"a {value.type} without UTF-8"
        return plain_value(inner) if isinstance(inner, pa.Scalar) else inner


def _records(raw: pa.RecordBatch, positions: Sequence[int]) -> list[dict[str, Any]]:
    names = [
        name if name not in raw.schema.names[:place] else f"{name} ({place + 1})"  # a name may come twice
        for place, name in enumerate(raw.schema.names)
    ]
    try:
        return raw.take(pa.array(positions, pa.int64())).rename_columns(names).to_pylist()
    except _NOT_IN_PYTHON:
        columns = list(zip(names, raw.columns, strict=True))
        return [{name: plain_value(column[row]) for name, column in columns} for row in positions]


def _as_json(record: dict[str, Any]) -> str:
    return json.dumps({_for_jsonb(name): _for_jsonb(value) for name, value in record.items()}, ensure_ascii=False)


def _for_jsonb(value: Any) -> Any:
    """The value in JSON, which has no NaN, for Postgres' jsonb, which has no NUL: both become text."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return _as_text(value).replace("\x00", "\\u0000")


def _as_text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
