"""Rows that are not loaded, with the rule that rejected them: one shape for all datasets."""

from __future__ import annotations

import json
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
    records = raw.take(pa.array(positions, pa.int64())).to_pylist()
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
            pa.array([f"{line.fields} fields, expected {line.expected}" for line in lines], pa.string()),
            pa.array([line.row_number - 1 if line.row_number else None for line in lines], pa.int64()),
            pa.array([_as_json({"line": line.text}) for line in lines], pa.string()),
        ],
        schema=REJECTED_SCHEMA,
    )


def _as_json(record: dict[str, Any]) -> str:
    # Postgres' jsonb knows no NUL; the escape that stands for it in the text says what it was.
    return json.dumps(record, default=_as_text, ensure_ascii=False).replace("\\u0000", "\\\\u0000")


def _as_text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
