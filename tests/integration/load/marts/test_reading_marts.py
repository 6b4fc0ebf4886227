"""The charts' queries have the same answers on Postgres, DuckDB and BigQuery's stand-in, at one moment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from google.cloud import bigquery

from flows.charts.catalogue import CHARTS
from flows.charts.chart import plain_row
from flows.load.bigquery.month import BigQueryWarehouse
from flows.load.duckdb.month import DuckDbWarehouse
from flows.load.marts import MartsReader
from flows.load.postgres.marts import reading_marts
from flows.tlc.errors import ModelsMissing
from tests.conftest import Database
from tests.integration.load.warehouse.rigs import bigquery_rig
from tests.made_up_marts import COLUMNS, TYPES, YEAR, make_marts

MONTHS = YEAR[-3:]
Answers = dict[str, list[dict[str, Any]]]


def answers(reader: MartsReader) -> Answers:
    queries = {chart.key: chart.sql(reader.sql_names, MONTHS[1], MONTHS[-1]) for chart in CHARTS}
    return {key: [dict(plain_row(row)) for row in reader.rows(sql)] for key, sql in queries.items()}


@contextmanager
def postgres_reader(database: Database) -> Iterator[MartsReader]:
    with closing(database.connect()) as connection, reading_marts(connection) as reader:
        yield reader


def make_postgres_marts(database: Database) -> None:
    with closing(database.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute("create schema tlc_marts")
        make_marts(cursor.execute, "postgres", months=MONTHS)


@pytest.fixture
def duckdb_file(tmp_path: Path) -> Path:
    with duckdb.connect(tmp_path / "w.duckdb") as connection:
        connection.execute("create schema tlc_marts")
        make_marts(connection.execute, "duckdb", months=MONTHS)
    return tmp_path / "w.duckdb"


@pytest.fixture
def in_bigquery() -> Iterator[BigQueryWarehouse]:
    """A warehouse whose own limit is lower than what a chart costs."""
    with bigquery_rig() as rig:
        client = rig.warehouse.client
        for name in ("tlc", "tlc_marts"):
            dataset = bigquery.Dataset(f"{client.project}.{name}")
            dataset.location = "EU"
            client.create_dataset(dataset)
        for table, columns in COLUMNS.items():
            fields = [bigquery.SchemaField(name, TYPES["bigquery"][kind]) for name, kind in columns.items()]
            client.create_table(bigquery.Table(f"{client.project}.tlc_marts.{table}", fields))
        make_marts(lambda sql: client.query(sql).result(), "bigquery", f"`{client.project}`.tlc_marts", MONTHS)
        yield replace(rig.warehouse, max_bytes_billed=1)


def same(found: Any, expected: Any) -> bool:
    """The sums of two engines differ in the last digits."""
    if isinstance(found, float) and isinstance(expected, float):
        return found == pytest.approx(expected, rel=1e-12)
    return bool(found == expected)


def test_three_engines_have_the_same_answers(
    database: Database, duckdb_file: Path, in_bigquery: BigQueryWarehouse
) -> None:
    make_postgres_marts(database)
    with postgres_reader(database) as reader:
        expected = answers(reader)
    assert all(expected.values())
    for warehouse in (DuckDbWarehouse(duckdb_file), in_bigquery):
        with warehouse.reading_marts() as reader:
            found = answers(reader)
        for key, rows in expected.items():
            assert [list(row) for row in found[key]] == [list(row) for row in rows], key
            different = [
                (one, other)
                for one, other in zip(found[key], rows, strict=True)
                if not all(same(one[name], other[name]) for name in other)
            ]
            assert different == [], (warehouse.place, key)


def test_postgres_answers_are_of_one_moment(database: Database) -> None:
    make_postgres_marts(database)
    with postgres_reader(database) as reader:
        before = answers(reader)
        with closing(database.connect()) as other, other, other.cursor() as cursor:
            cursor.execute("update tlc_marts.daily_trips set trips = 0")
            cursor.execute("update tlc_marts.tips set tips = 0")
        assert answers(reader) == before


def test_reading_cannot_write(database: Database) -> None:
    make_postgres_marts(database)
    with pytest.raises(Exception, match="read-only transaction"), postgres_reader(database) as reader:
        reader.rows("delete from tlc_marts.tips")


def lacking(name: str, database: Database, tmp_path: Path) -> AbstractContextManager[MartsReader]:
    if name == "postgres":
        return postgres_reader(database)
    if name == "duckdb":
        duckdb.connect(tmp_path / "empty.duckdb").close()
    return DuckDbWarehouse(tmp_path / ("empty.duckdb" if name == "duckdb" else "none.duckdb")).reading_marts()


@pytest.mark.parametrize("name", ["postgres", "duckdb", "no file"])
def test_models_that_are_not_there_are_told_in_one_sentence(name: str, database: Database, tmp_path: Path) -> None:
    with pytest.raises(ModelsMissing) as raised, lacking(name, database, tmp_path) as reader:
        answers(reader)
    assert re.fullmatch(r"\S.* does not have all models \(.*\): run build_models for it first\.", str(raised.value))
    assert not (tmp_path / "none.duckdb").exists()


def test_column_of_another_version_is_told_as_models_that_lack(database: Database) -> None:
    make_postgres_marts(database)
    with closing(database.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute("alter table tlc_marts.tips drop column fares")
    with pytest.raises(ModelsMissing, match='column "fares" does not exist'), postgres_reader(database) as reader:
        answers(reader)


@pytest.mark.parametrize("datasets", [[], ["tlc"]], ids=["no dataset", "no marts"])
def test_bigquery_without_models_says_so(datasets: list[str]) -> None:
    with bigquery_rig() as rig:
        for name in datasets:
            made = bigquery.Dataset(f"{rig.warehouse.client.project}.{name}")
            made.location = "EU"
            rig.warehouse.client.create_dataset(made)
        with pytest.raises(ModelsMissing, match="run build_models"), rig.warehouse.reading_marts() as reader:
            answers(reader)
