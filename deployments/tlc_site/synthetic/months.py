"""Months of trips that look like TLC's, made up on the spot: what the local stand-in for the TLC site serves.

The same dataset, month, rows and seed give the same bytes on every machine with the same pyarrow and numpy.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from deployments.tlc_site.synthetic.anomalies import add_anomalies, with_copies
from deployments.tlc_site.synthetic.anomaly_rates import added_rows, anomaly_counts
from deployments.tlc_site.synthetic.distributions import Trips, to_arrow
from deployments.tlc_site.synthetic.file_formats import as_of, field_of, raw_schema
from deployments.tlc_site.synthetic.for_hire_trips import fhv_trips, fhvhv_trips
from deployments.tlc_site.synthetic.metered_trips import taxi_trips
from deployments.tlc_site.synthetic.mirror_csv import write_csv
from deployments.tlc_site.synthetic.yellow_2009 import yellow_2009_trips
from deployments.tlc_site.synthetic.zones import zone_lookup
from flows.tlc.dataset import Dataset, Source, dataset_info
from flows.tlc.locations import ZONES_PATH, month_path
from flows.tlc.month import Month

ROW_GROUP_ROWS = 1_048_576
# The stand-in's today: months appear there as late as at TLC, so that 2026-06 is the last one.
TODAY = date(2026, 9, 30)
_MONTHS_UNTIL_PUBLISHED = 3

_USUAL_ROWS = {Dataset.yellow: 200_000, Dataset.green: 40_000, Dataset.fhv: 60_000, Dataset.fhvhv: 150_000}
_SEASON = (0.93, 0.92, 1.04, 1.01, 1.05, 1.01, 0.97, 0.95, 0.97, 1.06, 1.0, 1.02)
_PANDEMIC = {
    "2009-01": 1.0,
    "2020-03": 0.55,
    "2020-04": 0.15,
    "2020-06": 0.3,
    "2020-09": 0.5,
    "2021-03": 0.7,
    "2021-07": 0.9,
}
_PATH = re.compile(r"/(?:[a-z-]+)/(?P<dataset>[a-z]+)_tripdata_(?P<month>\d{4}-\d{2})\.(?P<ending>parquet|csv\.gz)")


def make_month(
    dataset: Dataset, month: Month, rows: int | None = None, *, seed: int = 0, anomalies: bool = True
) -> pa.Table:
    """The raw month as TLC's Parquet file has it: names, order and types of that time, ``rows`` rows.

    It has ``default_rows`` if ``rows`` is None. Without ``anomalies`` every trip lies within the month and breaks no
    rule.
    Raises ParameterError if the month is before the dataset's first one.
    """
    dataset_info(dataset).check_month(month, Source.tlc)
    size = default_rows(dataset, month) if rows is None else rows
    rng = np.random.Generator(np.random.PCG64(_stable_number(dataset, month, size, seed)))
    counts = anomaly_counts(dataset, month, size) if anomalies else {}
    trips = _clean_trips(rng, dataset, month, size - added_rows(counts), counts.get("unmetered", 0))
    copied = add_anomalies(rng, month, trips, counts)
    if month < Month(2011, 1):
        trips = yellow_2009_trips(rng, month, trips)
    trips = with_copies(trips, copied)
    schema = raw_schema(dataset, month)
    return pa.table([to_arrow(trips[field_of(field.name)], field.type) for field in schema], schema=schema)


def default_rows(dataset: Dataset, month: Month) -> int:
    """How many rows the stand-in's file has: enough for a demo, with the real files' seasons and their 2020."""
    wave = 0.95 + _stable_number(dataset, month) % 1000 / 10_000
    return round(_USUAL_ROWS[dataset] * _SEASON[month.number - 1] * as_of(_PANDEMIC, month) * wave)


def write_parquet(
    dataset: Dataset, month: Month, path: Path, rows: int | None = None, *, seed: int = 0, anomalies: bool = True
) -> int:
    """Write the month as TLC publishes it, zstd since 2023-02 and snappy before; returns the number of rows."""
    table = make_month(dataset, month, rows, seed=seed, anomalies=anomalies)
    pq.write_table(
        table, path, row_group_size=ROW_GROUP_ROWS, compression="snappy" if month < Month(2023, 2) else "zstd"
    )
    return table.num_rows


def write_csv_gz(
    dataset: Dataset, month: Month, path: Path, rows: int | None = None, *, seed: int = 0, anomalies: bool = True
) -> int:
    """Write the month as the mirror has it, the same trips in its own columns; returns the number of rows.

    Trips that no meter recorded have no VendorID and payment type there, as in the mirror's own files.
    Raises ParameterError if the mirror never had the month.
    """
    dataset_info(dataset).check_month(month, Source.mirror)
    table = make_month(dataset, month, rows, seed=seed, anomalies=anomalies)
    with path.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
        write_csv(table, dataset, month, packed)
    return table.num_rows


def published(dataset: Dataset, month: Month, *, source: Source = Source.tlc, today: date = TODAY) -> bool:
    """Whether the stand-in has the month: at TLC, where it began three months before ``today``'s or earlier."""
    info = dataset_info(dataset)
    if source is Source.mirror:
        return info.mirror_first_month <= month <= info.mirror_last_month
    return info.first_month <= month <= Month.of(today).plus(-_MONTHS_UNTIL_PUBLISHED)


def months_sentence(today: date = TODAY) -> str:
    """Which months the stand-in has, for people."""
    infos = [dataset_info(dataset) for dataset in Dataset]
    since = ", ".join(f"{info.dataset} from {info.first_month}" for info in infos)
    mirror_first, mirror_last = infos[0].mirror_first_month, infos[0].mirror_last_month
    return (
        f"made-up trips: {since}, each to {Month.of(today).plus(-_MONTHS_UNTIL_PUBLISHED)}; "
        f"as the mirror's CSV from {mirror_first} to {mirror_last}"
    )


def taxi_zone_lookup() -> bytes:
    """The stand-in's ``/misc/taxi_zone_lookup.csv``: the 265 zones with their real names."""
    return zone_lookup()


def generate(path: str, folder: Path, *, today: date = TODAY) -> Path | None:
    """The file that a URL path such as ``/trip-data/green_tripdata_2023-12.parquet`` asks for, below ``folder``.

    It is made at the first call and kept; concurrent calls, also of other processes, wait for the first. The zones are
    written again if another version of this project made them.
    None if the path is not one of the source's, or the month is not published.
    """
    write = _writer_of(path, today)
    if write is None:
        return None
    target = folder / path.lstrip("/")
    if not _is_made(target, path):
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.lock")):
            if not _is_made(target, path):
                _write_whole(target, write)
    return target


def _is_made(target: Path, path: str) -> bool:
    return target.exists() and (path != ZONES_PATH or target.read_bytes() == taxi_zone_lookup())


def _writer_of(path: str, today: date) -> Callable[[Path], object] | None:
    if path == ZONES_PATH:
        return lambda file: file.write_bytes(taxi_zone_lookup())
    match = _PATH.fullmatch(path)
    if match is None or match["dataset"] not in set(Dataset):
        return None
    dataset, source = Dataset(match["dataset"]), Source.tlc if match["ending"] == "parquet" else Source.mirror
    try:
        month = Month.parse(match["month"])
    except ValueError:
        return None
    if path != month_path(dataset, month, source) or not published(dataset, month, source=source, today=today):
        return None
    write = write_parquet if source is Source.tlc else write_csv_gz
    return lambda file: write(dataset, month, file)


def _write_whole(target: Path, write: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".making-") as scratch:
        unfinished = Path(scratch) / target.name
        write(unfinished)
        unfinished.replace(target)


def _clean_trips(rng: np.random.Generator, dataset: Dataset, month: Month, size: int, unmetered: int) -> Trips:
    if dataset is Dataset.fhv:
        return fhv_trips(rng, month, size)
    if dataset is Dataset.fhvhv:
        return fhvhv_trips(rng, month, size)
    return taxi_trips(rng, dataset, month, size - unmetered, unmetered)


def _stable_number(*values: object) -> int:
    """The same 64-bit number for the same values, in every process."""
    return int.from_bytes(hashlib.sha256(" ".join(map(str, values)).encode()).digest()[:8], "big")
