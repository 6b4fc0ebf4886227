"""What a trip file would be if it were loaded: its first rows, its columns, what would be flagged and rejected."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from flows.extract.download.verify import verify_file
from flows.extract.read.cached_file import open_cached
from flows.extract.read.trip_file import RaggedLine, TripFile, open_trip_file
from flows.preview.profile import ColumnProfile, Profile
from flows.tlc.errors import SourceUnavailable, TooManyBadRows, TripLoadError
from flows.tlc.identity import MonthRequest
from flows.transform.rejected import plain_value
from flows.transform.stream import Counts
from flows.transform.stream_trips import stream_trips
from flows.ui.progress import tell_progress


@dataclass(frozen=True)
class Preview:
    """A file, conformed as a load would, as far as it was read.

    ``rows_in_file`` is None if only reading to the end would tell; ``is_whole`` says whether all of it was read, and
    ``would_fail``, in a sentence, why a load of what was read would fail.
    """

    first_rows: list[dict[str, Any]]
    columns: list[ColumnProfile]
    counts: Counts
    rows_in_file: int | None
    is_whole: bool
    would_fail: str | None
    seconds: float

    @property
    def rows_per_second(self) -> float:
        return self.counts.rows_read / self.seconds if self.seconds else 0.0


def preview_file(
    path: Path, request: MonthRequest, *, rows: int | None, head: int, is_verified: bool = False
) -> Preview:
    """Conform and check the file's first ``rows`` (None: all), and profile what would be loaded; ``head`` are shown.

    A file that ``is_verified`` is from the download cache, and is not verified again. Any other may lack columns: the
    profile shows them as null. Raises what a load would raise for the file and its
    columns: NotTripFile, SchemaError. Too many bad rows are no error here: ``would_fail`` says so.
    """
    try:
        with ExitStack() as opened:
            if is_verified:
                whole = open_cached(opened, path)
                if whole is None:
                    raise SourceUnavailable(f"{path.name} was just removed from the download cache. Run again.")
            else:
                verify_file(path, path.name, str(path))
                whole = opened.enter_context(open_trip_file(path))
            return _preview(whole, path.name, request, rows, head, may_lack=not is_verified)
    except TripLoadError as error:
        error.with_context(str(request.dataset), str(request.month))
        raise


def _preview(
    whole: TripFile, name: str, request: MonthRequest, rows: int | None, head: int, *, may_lack: bool
) -> Preview:
    started, would_fail = time.perf_counter(), None
    first: list[dict[str, Any]] = []
    file = FirstRows(whole, rows)
    trips = stream_trips(file, request, may_lack=may_lack)
    profile = Profile(trips.schema)
    try:
        for batch in trips:
            first += _plain_rows(batch.slice(0, head - len(first)))
            profile.add(batch)
            tell_progress(f"Reading {name}", file.fraction_read())
    except TooManyBadRows as error:  # raised before the end if the rest cannot change it
        would_fail = error.message
    if not would_fail and file.is_whole and trips.counts.nothing_loaded:
        would_fail = f"{trips.counts.nothing_loaded}, expected trips."
    tell_progress(f"Reading {name}", 1.0)
    seconds = time.perf_counter() - started
    return Preview(first, profile.columns(), trips.counts, file.rows, file.is_whole, would_fail, seconds)


@dataclass
class FirstRows:
    """A trip file that ends after so many rows (None: at its own end); ``is_whole`` once all of it was read."""

    file: TripFile
    limit: int | None
    is_whole: bool = False

    @property
    def column_names(self) -> list[str]:
        return self.file.column_names

    @property
    def rows(self) -> int | None:
        return self.file.rows

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The file's batches, the last of them shortened."""
        left = self.limit
        for batch in self.file.batches():
            if left is not None and batch.num_rows > left:
                if left:
                    yield batch.slice(0, left)
                return
            yield batch
            left = None if left is None else left - batch.num_rows
        self.is_whole = True

    def take_ragged(self) -> list[RaggedLine]:
        """The ragged lines met since the last call."""
        return self.file.take_ragged()

    def fraction_read(self) -> float:
        """How much of the file has been read."""
        return self.file.fraction_read()


def _plain_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    return [
        {name: plain_value(column[row]) for name, column in zip(batch.schema.names, batch.columns, strict=True)}
        for row in range(batch.num_rows)
    ]
