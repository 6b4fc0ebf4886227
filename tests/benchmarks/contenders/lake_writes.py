"""One way to write a month as Parquet, in this process: ``python -m … NAME SOURCE``."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd  # also because Arrow imports it at the first scalar: no contender's time
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.extract.read.trip_file import open_trip_file
from flows.load.lake.folder import FolderLake
from flows.load.lake.gcs import GcsLake
from flows.load.lake.month import load_month
from flows.load.month_load import MonthLoad
from flows.load.parquet.file import ROW_GROUP_BYTES, ROW_GROUP_ROWS, pickup_days, writer_options
from flows.load.rejected_spill import rejected_spill
from flows.tlc.dataset import Dataset
from flows.tlc.identity import MonthRequest
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from flows.transform.conform import plan_conform
from flows.transform.stream import TripStream
from tests.benchmarks.contenders.result import cpu_seconds, peak_memory_bytes, tell
from tests.benchmarks.inputs import MONTH
from tests.servers.gcs import FakeGcs

REQUEST = MonthRequest(Dataset.yellow, Month.parse(MONTH))
PICKUP = "tpep_pickup_datetime"


def limit(source: Path, folder: Path) -> float:
    """The limit: pyarrow writes both layouts' files, as the lake has them, from tables that are ready in memory.

    In one thread, as pyarrow does it. Nothing is read, conformed, checked, split by day, checksummed or published.
    """
    month = _conformed(source)
    days = pickup_days(month, PICKUP).combine_chunks()
    tables = [month, *(month.filter(pc.equal(days, day)) for day in pc.unique(days))]
    return _write(tables, folder)


def limit_one_file(source: Path, folder: Path) -> float:
    """The same, the unpartitioned layout alone."""
    return _write([_conformed(source)], folder)


def read_and_write(source: Path, folder: Path) -> float:
    """One file from the source's own, streaming, nothing conformed or checked."""
    begun = time.perf_counter()
    with (
        pq.ParquetFile(source) as file,
        pq.ParquetWriter(folder / "month.parquet", file.schema_arrow, **writer_options(file.schema_arrow)) as writer,
    ):
        for batch in file.iter_batches(batch_size=ROW_GROUP_ROWS):
            writer.write_batch(batch)
    return time.perf_counter() - begun


def lake_in_folder(source: Path, folder: Path) -> float:
    """This project: both layouts, conformed, checked, published in a folder."""
    return _load(FolderLake(folder / "lake"), source, folder)


def lake_in_bucket(source: Path, folder: Path) -> float:
    """The same into fake-gcs-server, over the real client."""
    with FakeGcs(folder / "gcs", "lake") as server:
        return _load(GcsLake(server.client().bucket("lake")), source, folder)


def pandas_to_bucket(source: Path, folder: Path) -> float:
    """What the course does: read, ``to_parquet``, upload; one layout, nothing conformed or checked."""
    with FakeGcs(folder / "gcs", "lake") as server:
        begun = time.perf_counter()
        pd.read_parquet(source).to_parquet(folder / "month.parquet", compression="gzip")
        server.client().bucket("lake").blob("month.parquet").upload_from_filename(folder / "month.parquet")
        return time.perf_counter() - begun


WAYS: dict[str, Callable[[Path, Path], float]] = {
    way.__name__: way
    for way in (limit, limit_one_file, read_and_write, lake_in_folder, lake_in_bucket, pandas_to_bucket)
}


def main(name: str, source: str) -> None:
    """Run one of ``WAYS`` in an empty folder; CPU is of the whole process, imports and preparation included."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = WAYS[name](Path(source), Path(folder))
    tell(seconds=seconds, cpu_seconds=cpu_seconds(), peak_memory_bytes=peak_memory_bytes())


def _stream(trip_file: Any, on_rejected: Callable[[pa.RecordBatch], None]) -> TripStream:
    names = trip_file.column_names
    return TripStream(trip_file, plan_conform(schema_of(REQUEST.dataset), REQUEST.month, names), on_rejected)


def _conformed(source: Path) -> pa.Table:
    with open_trip_file(source) as trip_file:
        return pa.Table.from_batches(list(_stream(trip_file, lambda _batch: None)))


def _write(tables: list[pa.Table], folder: Path) -> float:
    rows = min(ROW_GROUP_ROWS, ROW_GROUP_BYTES * tables[0].num_rows // tables[0].nbytes)
    begun = time.perf_counter()
    for number, table in enumerate(tables):
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=rows, **writer_options(table.schema))
    return time.perf_counter() - begun


def _load(lake: Any, source: Path, folder: Path) -> float:
    begun = time.perf_counter()
    with open_trip_file(source) as trip_file, rejected_spill() as rejected:
        load = MonthLoad(REQUEST, "gcs", "http://source", "v1")
        trips = _stream(trip_file, rejected.write)
        size = source.stat().st_size
        load_month(lake, load, trips, rejected, work_dir=folder / "work", source_bytes=size, force=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main(*sys.argv[1:])
