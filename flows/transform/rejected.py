"""Rows that are not loaded, with the rule that rejected them: one shape for all datasets."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from flows.extract.trip_file import RaggedLine
from flows.tlc.rules import RAGGED_LINE

# rule: of rules.toml, or of rules.UNLOADABLE. detail: the column and the value at fault, where there is one.
# row_number: 1 is the first row after the header; approximate after a ragged line. record: the raw row as JSON.
REJECTED_SCHEMA = pa.schema(
    [
        pa.field("rule", pa.string(), nullable=False),
        pa.field("detail", pa.string()),
        pa.field("row_number", pa.int64()),
        pa.field("record", pa.string(), nullable=False),
    ]
)


def rejected_rows(
    raw: pa.RecordBatch, positions: Sequence[int], rules: Sequence[str], details: Sequence[str | None], first_row: int
) -> pa.RecordBatch:
    """The rows at ``positions`` of a raw batch as rejected rows; ``first_row`` is the number of the batch's first."""
    records = _records(raw.take(pa.array(positions, pa.int64())))
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


def plain_value(value: Any) -> Any:
    """An Arrow scalar in Python; a time that Python's years do not reach is the number that Arrow has for it."""
    try:
        return value.as_py()
    except (OverflowError, ValueError):
        return value.value


def _records(rows: pa.RecordBatch) -> list[dict[str, Any]]:
    try:
        return rows.to_pylist()
    except (OverflowError, ValueError):
        return [
            {name: plain_value(column[row]) for name, column in zip(rows.schema.names, rows.columns, strict=True)}
            for row in range(rows.num_rows)
        ]


def _as_json(record: dict[str, Any]) -> str:
    return json.dumps({name: _for_jsonb(value) for name, value in record.items()}, ensure_ascii=False)


def _for_jsonb(value: Any) -> Any:
    """JSON knows no NaN, and Postgres' jsonb no NUL: the text or escape that stands there says what it was."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return _as_text(value).replace("\x00", "\\u0000")


def _as_text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
