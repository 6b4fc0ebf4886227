"""A query of a target: what is shared by all systems, each of which opens its own in its ``query.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from flows.tlc.errors import ParameterError
from flows.tlc.month import Month

ONE_SELECT = "query runs one SELECT, and nothing else"


@dataclass(frozen=True)
class QueryLimits:
    """What a query may cost or reach, where that matters.

    ``max_bytes``: what BigQuery may bill for it, instead of the block's limit. ``lake_folder``: what views of a DuckDB
    file may read.
    """

    max_bytes: int | None = None
    lake_folder: Path | None = None


def streamed(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], errors: Callable[[], AbstractContextManager[None]]
) -> pa.RecordBatchReader:
    """A reader of the batches. What fetching one raises comes out as ``errors`` says, and nothing else does."""
    return pa.RecordBatchReader.from_batches(schema, _one_by_one(batches, errors))


def _one_by_one(
    batches: Iterable[pa.RecordBatch], errors: Callable[[], AbstractContextManager[None]]
) -> Iterator[pa.RecordBatch]:
    left = iter(batches)
    while True:
        with errors():
            batch = next(left, None)
        if batch is None:
            return
        yield batch


def export_select(
    table: str, columns: Sequence[str], first: Month | None, last: Month | None, where: str | None
) -> str:
    """The query of an export: ``columns`` of the months from ``first`` to ``last``, and the user's own condition.

    Names and months come from the schema files, where they are plain identifiers in every dialect.
    """
    conditions = [
        *([f"source_month >= date '{first.first_day}'"] if first else []),
        *([f"source_month <= date '{last.first_day}'"] if last else []),
        *([f"(\n{where}\n)"] if where else []),  # on lines of its own: it may end with a comment
    ]
    filtered = f"\nwhere {' and '.join(conditions)}" if conditions else ""
    return f"select {', '.join(columns)}\nfrom {table}{filtered}"


def without_semicolon(sql: str) -> str:
    """The statement alone. Raises ParameterError if there is none."""
    statement = sql.strip().rstrip(";").strip()
    if not statement:
        raise ParameterError(f"the query is empty, and {ONE_SELECT}.")
    return statement
