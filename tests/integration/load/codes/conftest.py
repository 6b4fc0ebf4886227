"""Every target of the tables of names behind the same few calls, and how a test looks into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from flows.load.bigquery.jobs import JobTimeouts
from flows.load.bigquery.month import BigQueryWarehouse
from flows.load.duckdb.month import DuckDbWarehouse
from flows.load.lake import codes as lake_codes
from flows.load.lake.folder import FolderLake
from flows.load.lake.gcs import GcsLake
from flows.load.lake.protocol import Lake
from flows.load.postgres import codes as postgres_codes
from flows.load.warehouse.protocol import Warehouse
from flows.tlc.codes import CodeRows
from tests.servers.bigquery import BigQueryStandIn
from tests.servers.gcs import GcsWire

QUICK = JobTimeouts(poll=0.01, job=20, request=5, pause=0.01)


@dataclass(frozen=True)
class CodesTarget:
    """``put`` brings tables up to date; ``rows`` are a table's, by its key; ``comments`` are what it says of itself."""

    put: Callable[[Sequence[CodeRows]], None]
    rows: Callable[[str], list[tuple[Any, ...]]]
    comments: Callable[[str], list[str]]
    drop: Callable[[str], None]


def postgres_target(database: Any) -> CodesTarget:
    def put(wanted: Sequence[CodeRows]) -> None:
        with closing(database.connect()) as connection:
            postgres_codes.replace_codes(connection, wanted)

    def comments(table: str) -> list[str]:
        found = database.query(
            "select description from pg_description where objoid = %s::regclass order by objsubid", f"tlc.{table}"
        )
        return [text for (text,) in found]

    def drop(table: str) -> None:
        with closing(database.connect()) as connection, connection, connection.cursor() as cursor:
            cursor.execute(f"drop table tlc.{table}")

    return CodesTarget(put, lambda table: database.query(f"select * from tlc.{table} order by 1"), comments, drop)


def lake_target(lake: Lake) -> CodesTarget:
    def comments(table: str) -> list[str]:
        columns = lake_codes.read_codes(lake, table).schema
        return [field.metadata[b"description"].decode() for field in columns]

    def drop(table: str) -> None:
        found = lake.find(f"codes/{table}.parquet")
        assert found is not None
        lake.delete(found)

    def rows(table: str) -> list[tuple[Any, ...]]:
        content = lake.read(f"codes/{table}.parquet")
        assert content is not None
        import io  # noqa: PLC0415

        return sorted(tuple(row.values()) for row in pq.read_table(io.BytesIO(content)).to_pylist())

    return CodesTarget(lambda wanted: lake_codes.replace_codes(lake, wanted), rows, comments, drop)


def duckdb_target(lake: Lake, warehouse: DuckDbWarehouse) -> CodesTarget:
    def query(statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(warehouse.path) as connection:
            return connection.execute(statement).fetchall()

    def comments(table: str) -> list[str]:
        found = query(f"select comment from duckdb_tables() where table_name = '{table}'")
        found += query(f"select comment from duckdb_columns() where table_name = '{table}' order by column_index")
        return [text for (text,) in found]

    return CodesTarget(
        lambda wanted: through_lake(lake, warehouse, wanted),
        lambda table: query(f"select * from tlc.{table} order by 1"),
        comments,
        lambda table: query(f"drop table tlc.{table}; select 1") and None,
    )


def bigquery_target(lake: Lake, warehouse: BigQueryWarehouse, server: BigQueryStandIn) -> CodesTarget:
    client = warehouse.client

    def rows(table: str) -> list[tuple[Any, ...]]:
        return [row.values() for row in client.query(f"select * from tlc.{table} order by 1").result()]

    def comments(table: str) -> list[str]:
        resource = server.tables["tlc", table].resource
        return [resource["description"], *(field["description"] for field in resource["schema"]["fields"])]

    return CodesTarget(
        lambda wanted: through_lake(lake, warehouse, wanted),
        rows,
        comments,
        lambda table: client.delete_table(f"test-project.tlc.{table}"),
    )


def through_lake(lake: Lake, warehouse: Warehouse, wanted: Sequence[CodeRows]) -> None:
    """The way of a warehouse: the lake first, and then what the lake has."""
    lake_codes.replace_codes(lake, wanted)
    warehouse.load_codes(lake)


@pytest.fixture
def gcs() -> Iterator[GcsWire]:
    with GcsWire("lake") as server:
        yield server


@pytest.fixture
def gcs_lake(gcs: GcsWire) -> GcsLake:
    return GcsLake(gcs.client().bucket("lake"), "some/where", takeover_seconds=5)


@pytest.fixture
def bigquery(gcs: GcsWire) -> Iterator[BigQueryStandIn]:
    with BigQueryStandIn(gcs.read_object, list_objects=gcs.list_objects) as server:
        yield server


@pytest.fixture
def bigquery_warehouse(bigquery: BigQueryStandIn) -> BigQueryWarehouse:
    return BigQueryWarehouse(bigquery.client(), location="EU", timeouts=QUICK)


@pytest.fixture(params=["postgres", "folder", "gcs", "duckdb", "duckdb-from-gcs", "bigquery"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> CodesTarget:
    """The same tests hold for all."""
    folder, asked = FolderLake(tmp_path / "lake"), request.getfixturevalue
    match request.param:
        case "postgres":
            return postgres_target(asked("database"))
        case "folder":
            return lake_target(folder)
        case "gcs":
            return lake_target(asked("gcs_lake"))
        case "duckdb":
            return duckdb_target(folder, DuckDbWarehouse(tmp_path / "warehouse.duckdb", wait=30))
        case "duckdb-from-gcs":
            return duckdb_target(asked("gcs_lake"), DuckDbWarehouse(tmp_path / "warehouse.duckdb", wait=30))
        case _:
            return bigquery_target(asked("gcs_lake"), asked("bigquery_warehouse"), asked("bigquery"))
