"""The real rows that are mutated: some hundred of each kind of file."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

TLC = Path(__file__).resolve().parents[3] / "shared" / "tlc"
ROWS = 50
PARQUET = {
    ("yellow", "2025-01"): "samples/yellow_tripdata_2025-01_10000rows.parquet",
    ("yellow", "2020-04"): "samples/yellow_tripdata_2020-04_1000rows.csv",
    ("green", "2020-12"): "cdn/trip-data/green_tripdata_2020-12.parquet",
    ("green", "2023-12"): "cdn/trip-data/green_tripdata_2023-12.parquet",
    ("fhv", "2020-04"): "samples/fhv_tripdata_2020-04_1000rows.csv",
    ("fhvhv", "2020-04"): "samples/fhvhv_tripdata_2020-04_1000rows.csv",
}
CSV = {
    ("green", "2020-12"): "mirror/green/green_tripdata_2020-12.csv.gz",
    ("yellow", "2020-04"): "samples/yellow_tripdata_2020-04_1000rows.csv",
    ("fhv", "2020-04"): "samples/fhv_tripdata_2020-04_1000rows.csv",
    ("fhvhv", "2020-04"): "samples/fhvhv_tripdata_2020-04_1000rows.csv",
    ("fhv", "2018-01"): "heads/fhv_tripdata_2018-01.csv",
}
ZONES = "cdn/misc/taxi_zone_lookup.csv"


@dataclass(frozen=True)
class Base:
    """A file of TLC's, cut to its first rows."""

    dataset: str
    month: str
    table: pa.Table | None = None
    lines: tuple[bytes, ...] = ()


@cache
def parquet_base(dataset: str, month: str) -> Base:
    path = TLC / PARQUET[dataset, month]
    if path.suffix == ".csv":
        nulls = pa_csv.ConvertOptions(strings_can_be_null=True)
        return Base(dataset, month, pa_csv.read_csv(path, convert_options=nulls).slice(0, ROWS).combine_chunks())
    with pq.ParquetFile(path) as file:
        rows = next(file.iter_batches(batch_size=20_000))
    # The first rows have a vendor, the last of green have gaps.
    picked = pa.Table.from_batches([rows.slice(0, ROWS // 2), rows.slice(rows.num_rows - ROWS // 2)])
    return Base(dataset, month, picked.replace_schema_metadata().combine_chunks())


@cache
def csv_base(dataset: str, month: str) -> Base:
    content = (TLC / CSV[dataset, month]).read_bytes()
    lines = (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content).splitlines()
    found = [line for line in lines if line]
    return Base(dataset, month, lines=(found[0], *found[1 : ROWS // 2], *found[1:][-ROWS // 2 :]))


@cache
def zones_base() -> bytes:
    return (TLC / ZONES).read_bytes()
