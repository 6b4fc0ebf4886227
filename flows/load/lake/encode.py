"""Encode a month's Parquet files, every layout in one pass over the rows, and its rejected rows beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa

from flows.load.month_load import MonthLoad
from flows.load.parquet.daily_files import DailyFiles
from flows.load.parquet.fan_out import write_all
from flows.load.parquet.file import ParquetFile, RowGroups, described
from flows.load.rejected_spill import RejectedSpill
from flows.tlc.errors import TargetError
from flows.tlc.locations import Layout, lake_day_object, lake_object, rejected_object
from flows.transform.rejected import REJECTED_SCHEMA
from flows.transform.stream import TripStream


def encode_month(
    load: MonthLoad, trips: TripStream, folder: Path, layouts: set[Layout], on_progress: Callable[[float], None]
) -> list[ParquetFile]:
    """Write ``trips`` in each of ``layouts`` into ``folder``; raises TargetError if a layout lacks a row."""
    dataset, month = load.request.dataset, load.request.month
    pickup = trips.conformer.schema.role("pickup")
    assert pickup is not None, "every dataset has a pickup time"
    schema = described(trips.schema, _about(load))
    one = RowGroups(folder / "month.parquet", schema)
    days = DailyFiles(folder, schema, pickup.name, lambda day: lake_day_object(dataset, month, day))
    writers = [writer for layout, writer in (("unpartitioned", one), ("partitioned", days)) if layout in layouts]
    write_all(_with_progress(trips, on_progress), writers)
    files = [one.finish(lake_object(dataset, month), "unpartitioned")] if one in writers else []
    if days in writers:
        files += days.finish()
    for layout in layouts:
        rows = sum(file.rows for file in files if file.layout == layout)
        if rows != trips.counts.rows_loaded:
            raise TargetError(
                f"the {layout} files have {rows:,} of {trips.counts.rows_loaded:,} rows; the month is as it was."
            )
    pa.default_memory_pool().release_unused()  # before the uploads take theirs
    return files


def encode_rejected(load: MonthLoad, rejected: RejectedSpill, folder: Path) -> ParquetFile:
    """Write the rejected rows as one file into ``folder``."""
    groups = RowGroups(folder / "rejected.parquet", described(REJECTED_SCHEMA, _about(load)))
    for batch in rejected.batches():
        groups.add(batch)
    return groups.finish(rejected_object(load.request.dataset, load.request.month))


def _with_progress(trips: TripStream, on_progress: Callable[[float], None]) -> Iterable[pa.RecordBatch]:
    for batch in trips:
        yield batch
        on_progress(trips.file.fraction_read())


def _about(load: MonthLoad) -> dict[str, str | None]:
    """What each file says of where it comes from. Nothing of when: the same rows give the same bytes."""
    return {
        "dataset": str(load.request.dataset),
        "month": str(load.request.month),
        "source_url": load.source_url,
        "source_etag": load.source_etag,
        "conform_version": load.request.conform_version,
    }
