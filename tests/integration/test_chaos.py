"""The readers of ``make chaos`` tell a whole version of a month from a part, a mixture, another one, and none."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deployments.tlc_site.site import TripSite
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import LAYOUTS, manifest_object
from tests.chaos.months import MONTHS, Months, make_parquet, path_of
from tests.chaos.readers import Readers
from tests.conftest import Database
from tests.integration.load.lake.conftest import FolderLake
from tests.integration.load.lake.conftest import Loader as LakeLoader
from tests.integration.load.postgres.conftest import Loader

DATASET, MONTH = MONTHS[0]
TRIPS = f"tlc.{DATASET}_trips"


@pytest.fixture
def months(tmp_path: Path) -> Iterator[Months]:
    """The first month has two versions; one has been published."""
    with TripSite() as site:
        made = Months(site)
        content = [make_parquet(DATASET, MONTH, 1_000, version, random.Random(1)) for version in range(2)]
        made.files[path_of(DATASET, MONTH)] = content[:1]
        made.publish(DATASET, MONTH, random.Random(1))
        made.files[path_of(DATASET, MONTH)] = content
        yield made


@pytest.fixture
def told() -> list[str]:
    """What the readers found."""
    return []


@pytest.fixture
def readers(months: Months, told: list[str], database: Database, tmp_path: Path) -> Readers:
    made = Readers(months, told.append, database.url, tmp_path / "lake", tmp_path / "warehouse.duckdb")
    made.looks["lake"] = 0  # the first month's turn
    return made


def table(months: Months, version: int) -> pa.Table:
    return pq.read_table(io.BytesIO(months.files[path_of(DATASET, MONTH)][version]))


@pytest.fixture
def load(database: Database, tmp_path: Path, months: Months):
    def load_version(version: int) -> None:
        Loader(database, tmp_path).load(table(months, version), str(DATASET), str(MONTH))

    return load_version


def change(database: Database, statement: str) -> None:
    database.query(f"{statement} returning 1")


def test_nothing_then_a_whole_version(readers: Readers, told: list[str], load, database: Database) -> None:
    assert readers.look_at_postgres()
    load(0)
    assert readers.look_at_postgres()
    assert told == []


def test_part_in_postgres(readers: Readers, told: list[str], load, database: Database) -> None:
    load(0)
    change(database, f"delete from {TRIPS} where pu_location_id < 100")
    readers.look_at_postgres()
    assert [text.partition(" is ")[0] for text in told[:1]] == [f"postgres: {DATASET} {MONTH}"]
    assert "ledger" in told[1]


def test_as_many_rows_with_other_values(readers: Readers, told: list[str], load, database: Database) -> None:
    load(0)
    change(database, f"update {TRIPS} set total_amount = total_amount + 1 where ctid = '(0,1)'")
    readers.look_at_postgres()
    assert [text for text in told if "no version of it" in text]


def test_version_that_was_never_published(readers: Readers, told: list[str], load) -> None:
    load(1)
    readers.look_at_postgres()
    assert [text for text in told if "no version of it" in text]


def test_rejected_rows_of_another_version(readers: Readers, told: list[str], load, database: Database) -> None:
    load(0)
    change(database, "delete from tlc.rejected_trips where row_number > 0")
    readers.look_at_postgres()
    assert [text for text in told if "ledger" in text]


def test_month_that_is_gone(readers: Readers, told: list[str], load, database: Database) -> None:
    load(0)
    readers.look_at_postgres()
    change(database, f"delete from {TRIPS} where true")
    readers.look_at_postgres()
    assert f"postgres: {DATASET} {MONTH} was there and is gone" in told


@pytest.fixture
def lake(months: Months, tmp_path: Path) -> FolderLake:
    """The first month's first version, in both layouts."""
    source = tmp_path / "month.parquet"
    pq.write_table(table(months, 0), source)
    made = FolderLake(tmp_path / "lake")
    LakeLoader(made, tmp_path / "work")(source, "v1", MonthRequest(DATASET, MONTH))
    return made


def test_manifest_that_is_gone(readers: Readers, told: list[str], lake: FolderLake) -> None:
    readers.look_at_lake()
    lake.path_of(manifest_object(DATASET, MONTH)).unlink()
    readers.looks["lake"] = 0
    readers.look_at_lake()
    assert sorted(told) == [f"lake {layout}: {DATASET} {MONTH} was there and is gone" for layout in sorted(LAYOUTS)]


def test_object_that_is_not_what_the_manifest_says(readers: Readers, told: list[str], lake: FolderLake) -> None:
    readers.look_at_lake()
    assert told == []
    damaged = lake.path_of(lake.list("trips/")[0].name)
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    readers.looks["lake"] = 0
    with pytest.raises(AssertionError, match="is not what the manifest says"):
        readers.look_at_lake()
