"""Made-up months under their first names: see ``deployments.tlc_site.synthetic.months``.

What is called ``anomalies`` there is ``dirt`` here.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from deployments.tlc_site.synthetic import months
from deployments.tlc_site.synthetic.months import (
    ROW_GROUP_ROWS,
    TODAY,
    default_rows,
    generate,
    published,
    taxi_zone_lookup,
)
from flows.tlc.dataset import Dataset
from flows.tlc.month import Month

__all__ = [
    "ROW_GROUP_ROWS",
    "TODAY",
    "default_rows",
    "generate",
    "make_month",
    "published",
    "taxi_zone_lookup",
    "write_csv_gz",
    "write_parquet",
]


def make_month(
    dataset: Dataset, month: Month, rows: int | None = None, *, seed: int = 0, dirt: bool = True
) -> pa.Table:
    """The raw month as TLC's Parquet file has it."""
    return months.make_month(dataset, month, rows, seed=seed, anomalies=dirt)


def write_parquet(
    dataset: Dataset, month: Month, path: Path, rows: int | None = None, *, seed: int = 0, dirt: bool = True
) -> int:
    """Write the month as TLC publishes it; returns the number of rows."""
    return months.write_parquet(dataset, month, path, rows, seed=seed, anomalies=dirt)


def write_csv_gz(
    dataset: Dataset, month: Month, path: Path, rows: int | None = None, *, seed: int = 0, dirt: bool = True
) -> int:
    """Write the month as the mirror has it; returns the number of rows."""
    return months.write_csv_gz(dataset, month, path, rows, seed=seed, anomalies=dirt)
