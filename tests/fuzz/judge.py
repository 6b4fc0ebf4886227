"""One mutated file: what the project makes of it, and whether that is right."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa

from flows.extract.read import open_trip_file, trip_file
from flows.tlc.errors import TripLoadError
from flows.tlc.identity import MonthRequest
from flows.tlc.rules import UNLOADABLE
from flows.transform.stream import TripStream
from flows.transform.stream_trips import only_counted, stream_trips
from tests.fuzz.oracle import EPOCH, Expected, is_same

NEXT_STEP = re.compile(r"\b(look|run|declare|say|add|pass|report|write|give|ask)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Outcome:
    """``kind`` is right, refused (by the error's name), unjudged, or violation; ``words`` say more."""

    kind: str
    words: str = ""
    rows: int = 0


@dataclass
class Case:
    """A file, how it is asked for, and what has to become of it; None if no second reader can read it."""

    kind: str
    path: Path
    request: MonthRequest
    share: float
    expected: Expected | None
    sizes: tuple[int, int]
    is_whole: bool = True


def judge(case: Case) -> Outcome:
    """What the project makes of the file, and whether that is right."""
    got: list[pa.RecordBatch] = []
    try:
        with opened(case) as stream:
            got.extend(stream)
    except TripLoadError as error:
        return judge_refusal(case.expected, error)
    except Exception as error:  # the very thing that is looked for
        return Outcome("violation", f"bare {type(error).__name__}: {error}"[:500])
    if case.expected is None:
        return Outcome("unjudged", "read, but no second reader can")
    fault = _fault(case, stream, got)
    return Outcome("violation", fault) if fault else Outcome("right", rows=stream.counts.rows_loaded)


@contextmanager
def opened(case: Case, on_rejected: Callable[[pa.RecordBatch], None] = only_counted) -> Iterator[TripStream]:
    """The case's trips as a load gets them, in batches and blocks of its size."""
    batch_rows, block_bytes = case.sizes
    with (
        mock.patch.object(trip_file, "BATCH_ROWS", batch_rows),
        mock.patch.object(trip_file, "CSV_BLOCK_BYTES", block_bytes),
        open_trip_file(case.path) as file,
    ):
        yield stream_trips(file, case.request, on_rejected, max_unloadable_share=case.share)


def judge_refusal(expected: Expected | None, error: TripLoadError) -> Outcome:
    text = str(error)
    if "\n" in text or len(text) > 2_000 or not text.endswith(".") or not NEXT_STEP.search(text):
        return Outcome("violation", f"no sentence with a next step: {type(error).__name__}: {text!r}")
    if expected is None or expected.must_fail or expected.may_fail:
        return Outcome(f"refused {type(error).__name__}", text)
    return Outcome("violation", f"a good file is refused: {text}")


def _fault(case: Case, stream: TripStream, got: list[pa.RecordBatch]) -> str:
    """What is wrong with what was read; nothing if all is right."""
    expected, counts = case.expected, stream.counts
    assert expected is not None
    if expected.must_fail:
        return f"loaded {counts.rows_loaded} rows, though {expected.must_fail}"
    if counts.rows_read != counts.rows_loaded + counts.rows_rejected:
        return f"the counts do not add up: {counts}"
    if set(counts.rejected) - set(UNLOADABLE):
        return f"rejected under unknown rules: {counts.rejected}"
    wanted = (len(expected.rows), expected.rejected)
    if (counts.rows_loaded, counts.rows_rejected) != wanted:
        return f"loaded and rejected {(counts.rows_loaded, counts.rows_rejected)}, expected {wanted}"
    return compare(expected, case.request, pa.Table.from_batches(got, stream.schema))


def compare(expected: Expected, request: MonthRequest, table: pa.Table) -> str:
    """The first difference between the rows expected and those of a table, in their order."""
    names = [*expected.names, "source_month"]
    if table.column_names != names:
        return f"columns {table.column_names}, expected {names}"
    if table.num_rows != len(expected.rows):
        return f"{table.num_rows} rows, expected {len(expected.rows)}"
    columns = [_plain(table[name]) for name in names]
    for place, row in enumerate(expected.rows):
        for name, wanted, column in zip(
            names, (*row, (request.month.first_day - EPOCH.date()).days), columns, strict=True
        ):
            if not is_same(wanted, column[place]):
                return f"row {place}: {name} is {column[place]!r}, expected {wanted!r}"
    return ""


def _plain(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us")).cast(pa.int64())
    elif pa.types.is_date(column.type):
        column = column.cast(pa.int32())
    return column.to_pylist()
