"""The lake's write of a month, both layouts, against what pyarrow and pandas take: ``python -m tests.benchmarks.lake``.

The source is the 3,000,000 yellow trips of the Postgres benchmark, or ``--source``. ``--large`` makes 20,000,000 rows
of it for the peak of memory. Each contender runs in processes of its own, ``--times`` times; the fastest counts, and
the highest peak.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd  # also because Arrow imports it at the first scalar: no contender's time
import pyarrow as pa
import pyarrow.parquet as pq

from flows.extract.trip_file import open_trip_file
from flows.load.lake_folder import FolderLake
from flows.load.lake_gcs import GcsLake
from flows.load.lake_month import load_month
from flows.load.month_load import MonthLoad
from flows.load.rejected_spill import rejected_spill
from flows.tlc.dataset import Dataset
from flows.tlc.identity import MonthRequest
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from flows.transform.conform import plan_conform
from flows.transform.stream import TripStream
from tests.benchmarks.inputs import month_file
from tests.servers.gcs import FakeGcs

REQUEST = MonthRequest(Dataset.yellow, Month(2019, 3))
LARGE_ROWS = 20_000_000


def _stream(trip_file: Any, on_rejected: Callable[[pa.RecordBatch], None]) -> TripStream:
    names = trip_file.column_names
    return TripStream(trip_file, plan_conform(schema_of(REQUEST.dataset), REQUEST.month, names), on_rejected)


def write_only(source: Path, folder: Path) -> float:
    """The limit: pyarrow writes the conformed month, ready in memory, as one Parquet file."""
    with open_trip_file(source) as trip_file:
        month = pa.Table.from_batches(list(_stream(trip_file, lambda _batch: None)))
    begun = time.perf_counter()
    pq.write_table(month, folder / "month.parquet", compression="zstd")
    return time.perf_counter() - begun


def read_and_write(source: Path, folder: Path) -> float:
    """The same from the source's file, streaming, nothing conformed or checked."""
    begun = time.perf_counter()
    with (
        pq.ParquetFile(source) as file,
        pq.ParquetWriter(folder / "month.parquet", file.schema_arrow, compression="zstd") as writer,
    ):
        for batch in file.iter_batches(batch_size=1 << 18):
            writer.write_batch(batch)
    return time.perf_counter() - begun


def conform_and_write(source: Path, folder: Path) -> float:
    """One file from conformed and checked rows, in one thread: the load without the second layout and the lake."""
    begun = time.perf_counter()
    with open_trip_file(source) as trip_file:
        trips = _stream(trip_file, lambda _batch: None)
        with pq.ParquetWriter(folder / "month.parquet", trips.schema, compression="zstd") as writer:
            kept: list[pa.RecordBatch] = []
            for batch in trips:
                kept.append(batch)
                if len(kept) == 16:
                    writer.write_table(pa.Table.from_batches(kept))
                    kept = []
            if kept:
                writer.write_table(pa.Table.from_batches(kept))
    return time.perf_counter() - begun


def _load(lake: Any, source: Path, folder: Path) -> float:
    begun = time.perf_counter()
    with open_trip_file(source) as trip_file, rejected_spill() as rejected:
        load = MonthLoad(REQUEST, "gcs", "http://source", "v1")
        trips = _stream(trip_file, rejected.write)
        size = source.stat().st_size
        load_month(lake, load, trips, rejected, work_dir=folder / "work", source_bytes=size, force=True)
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


CONTENDERS = (write_only, read_and_write, conform_and_write, lake_in_folder, lake_in_bucket, pandas_to_bucket)


def make_large(source: Path, target: Path) -> None:
    """The source's rows again and again, in the same order, up to ``LARGE_ROWS``."""
    with pq.ParquetFile(source) as file, pq.ParquetWriter(target, file.schema_arrow, compression="zstd") as writer:
        times = LARGE_ROWS / file.metadata.num_rows
        for batch in file.iter_batches(batch_size=1 << 17):
            rows = pa.array([int(row / times) for row in range(int(batch.num_rows * times))], pa.int64())
            writer.write_table(pa.Table.from_batches([batch]).take(rows), row_group_size=1 << 20)


def measure(name: str, source: Path) -> dict[str, float]:
    """Seconds and peak MB of one contender, in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.lake", "--source", str(source), "--run", name]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(answer.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, help="the month's Parquet file; made and kept where not given")
    parser.add_argument("--run", help="one contender, in this process")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="also the peak of memory with 20,000,000 rows")
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    if options.run:
        with tempfile.TemporaryDirectory() as folder:
            seconds = {run.__name__: run for run in CONTENDERS}[options.run](options.source, Path(folder))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": round(seconds, 2), "peak_mb": round(peak)}))
        return
    source = options.source or month_file(3_000_000)
    results: dict[str, dict[str, float]] = {}
    for run in CONTENDERS:
        tries = [measure(run.__name__, source) for _ in range(options.times)]
        results[run.__name__] = {
            key: pick(one[key] for one in tries) for key, pick in (("seconds", min), ("peak_mb", max))
        }
    if options.large:
        with tempfile.TemporaryDirectory() as folder:
            large = Path(folder) / "large.parquet"
            make_large(source, large)
            results["lake_in_folder_20m"] = measure("lake_in_folder", large)
            results["lake_in_bucket_20m"] = measure("lake_in_bucket", large)
    for name, figures in results.items():
        print(f"{name:24} {figures['seconds']:8.2f} s {figures['peak_mb']:8.0f} MB")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
