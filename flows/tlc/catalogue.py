"""What TLC had published when its files were counted: rows and bytes of each Parquet file, from ``catalogue.csv``.

TLC publishes months again, so that a file of today may differ from it: it tells what to expect, not what is right.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from flows.tlc.dataset import Dataset
from flows.tlc.month import Month

_FILE = "catalogue.csv"
# What the ETags of made-up months contain, those that the stand-in for TLC's site serves.
MADE_UP = "made-up"


class FileSize(NamedTuple):
    """How large a month's Parquet file was."""

    rows: int
    bytes: int


def expected_size(dataset: Dataset, month: Month, version: str | None = None) -> FileSize | None:
    """The month's rows and bytes as TLC's Parquet; None for a month that was not published yet.

    ``version`` is the ETag of the file that they are to be compared with: None also for one that is made up.
    """
    return None if MADE_UP in (version or "") else _sizes().get((dataset, month))


@cache
def catalogue_month() -> Month:
    """The last month that was published when the files were counted."""
    return max(month for _, month in _sizes())


@cache
def _sizes() -> Mapping[tuple[Dataset, Month], FileSize]:
    lines = files("flows.tlc").joinpath(_FILE).read_text(encoding="utf-8").splitlines()
    return {
        (Dataset(row["dataset"]), Month.parse(row["month"])): FileSize(int(row["rows"]), int(row["bytes"]))
        for row in csv.DictReader(lines)
    }
