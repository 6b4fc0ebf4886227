"""Months small enough to load a dozen of them, and a lake and a warehouse of a test's own."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from deployments.tlc_site.site import TripSite
from deployments.tlc_site.synthetic.months import write_parquet
from flows.tlc.dataset import Dataset, Source
from flows.tlc.locations import month_path
from flows.tlc.month import Month, months_between
from tests.conftest import Database
from tests.made_up_marts import make_marts

YEAR = list(months_between(Month(2018, 7), Month(2019, 6)))
ROWS = 2_000


def path_of(month: Month, dataset: Dataset = Dataset.green) -> str:
    """The month's path at TLC's site."""
    return month_path(dataset, month, Source.tlc)


@pytest.fixture(scope="session")
def year_files(tmp_path_factory: pytest.TempPathFactory) -> dict[Month, bytes]:
    """Twelve months of green over the end of a year, 2,000 rows each."""
    folder = tmp_path_factory.mktemp("year")
    files = {}
    for month in YEAR:
        write_parquet(Dataset.green, month, folder / f"{month}.parquet", ROWS, anomalies=False)
        files[month] = (folder / f"{month}.parquet").read_bytes()
    return files


@pytest.fixture
def year(site: TripSite, year_files: dict[Month, bytes]) -> list[Month]:
    """The site has the twelve months."""
    for month, content in year_files.items():
        site.put(path_of(month), content)
    return YEAR


@pytest.fixture
def marts(environment: Path, database: Database) -> Database:
    """A database that has made-up marts and nothing else."""
    with closing(database.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute("create schema tlc_marts")
        make_marts(cursor.execute, "postgres")
    return database
