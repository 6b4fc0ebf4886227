"""A warehouse with the lake that it reads, and how a test looks into it: what the scenarios run on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from google.cloud import bigquery

from flows.load.bigquery.jobs import JobTimeouts
from flows.load.bigquery.month import BigQueryWarehouse
from flows.load.duckdb.month import DuckDbWarehouse
from flows.load.lake.gcs import GcsLake
from flows.load.lake.manifest import Manifest
from flows.load.ledger import LEDGER
from flows.load.warehouse.protocol import Warehouse, WarehouseLoad
from flows.tlc.dataset import Dataset
from flows.tlc.month import Month
from flows.tlc.report import LoadReport
from tests.integration.load.warehouse.lake_months import Bucket, WrittenLake, folder_put
from tests.servers.bigquery import BigQueryStandIn
from tests.servers.gcs_wire import GcsWire

_OLDER = LEDGER[:-3]
_OLDER_ROW = """
insert into {schema}.loads (load_id, dataset, month, target, source_url, rows_read, rows_loaded, rows_rejected,
    rejected_by_rule, rows_flagged, bytes_read, seconds, status, content_key, flagged_by_rule, started_at, loaded_at)
select 1, 'green', '{month}', 'bigquery', 'https://source/x.parquet', 10, 7, 3, {json}, 0, 0, 0.5, 'loaded', 'key',
    {json}, timestamp '2026-01-01 00:00:00', timestamp '2026-01-01 00:00:00'
"""
QUICK = JobTimeouts(poll=0.01, job=5, request=5, pause=0.01)


@dataclass
class Rig:
    """``query`` runs SQL in which ``{schema}`` stands for the dataset or schema, and gives rows as tuples."""

    lake: WrittenLake
    warehouse: Warehouse

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def empty_month(self, dataset: str, month: str) -> None:
        """Delete the month's rows behind the project's back."""
        raise NotImplementedError

    def older_ledger(self, month: str) -> None:
        """Make the ledger as it was before it had the last three columns, with a load of green in it."""
        raise NotImplementedError

    def load_of(self, manifest: Manifest, **options: Any) -> WarehouseLoad:
        return WarehouseLoad(manifest, self.lake.url, **options)

    def load(self, manifest: Manifest, **options: Any) -> LoadReport:
        return self.warehouse.load_month(self.load_of(manifest, **options))

    def rows_by_month(self) -> dict[str, int]:
        """The rows of green that the table has, by month."""
        found = self.warehouse.sum_months(Dataset.green, Month(2009, 1), Month(2030, 12))
        return {month: totals.rows for month, totals in found.items()}

    def ledger(self) -> list[tuple[Any, ...]]:
        """Number, month, rows and content of each load, in order."""
        return self.query(
            "select load_id, month, rows_loaded, content_key from {schema}.loads order by dataset, month, load_id"
        )


@dataclass
class DuckDbRig(Rig):
    warehouse: DuckDbWarehouse

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.warehouse.path) as connection:
            return connection.execute(sql.format(schema="tlc")).fetchall()

    def older_ledger(self, month: str) -> None:
        columns = ", ".join(f"{column.name} {column.duckdb}" for column in _OLDER)
        self.query(f"create schema {{schema}}; create table {{schema}}.loads ({columns})")
        self.query(_OLDER_ROW.format(month=month, json="'{{\"zero_distance\": 3}}'::json", schema="{schema}"))

    def empty_month(self, dataset: str, month: str) -> None:
        self.query(f"delete from {{schema}}.{dataset}_trips where source_month = date '{month}-01'")


@dataclass
class BigQueryRig(Rig):
    warehouse: BigQueryWarehouse
    server: BigQueryStandIn | None = None

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        client, dataset = self.warehouse.client, self.warehouse.dataset_id
        return [row.values() for row in client.query(sql.format(schema=f"`{client.project}`.{dataset}")).result()]

    def older_ledger(self, month: str) -> None:
        client, dataset = self.warehouse.client, f"{self.warehouse.client.project}.{self.warehouse.dataset_id}"
        made = bigquery.Dataset(dataset)
        made.location = self.warehouse.location
        client.create_dataset(made)
        columns = [bigquery.SchemaField(column.name, column.bigquery) for column in _OLDER]
        client.create_table(bigquery.Table(f"{dataset}.loads", columns))
        json = """parse_json('{{"zero_distance": 3}}')"""
        self.query(_OLDER_ROW.format(month=month, json=json, schema="{schema}"))

    def empty_month(self, dataset: str, month: str) -> None:
        name = f"{self.warehouse.dataset_id}.{dataset}_trips${month.replace('-', '')}"
        self.warehouse.client.delete_table(f"{self.warehouse.client.project}.{name}")


def duckdb_rig(folder: Path) -> DuckDbRig:
    """A new DuckDB file and a lake in a folder."""
    lake = WrittenLake(f"file://{folder}/lake", folder_put(folder / "lake"))
    return DuckDbRig(lake, DuckDbWarehouse(folder / "warehouse.duckdb", wait=20))


@dataclass
class DuckDbFromBucketRig(DuckDbRig):
    """The same with a lake in a bucket."""

    bucket: GcsLake | None = None

    def load_of(self, manifest: Manifest, **options: Any) -> WarehouseLoad:
        return super().load_of(manifest, lake=self.bucket, **options)


@contextmanager
def duckdb_from_bucket_rig(folder: Path) -> Iterator[DuckDbFromBucketRig]:
    """A new DuckDB file and an empty bucket on the stand-in."""
    with GcsWire("lake") as server:
        lake = GcsLake(server.client().bucket("lake"))

        def put(name: str, content: bytes) -> int | None:
            return lake.write(name, content, replaces=None).generation

        warehouse = DuckDbWarehouse(folder / "warehouse.duckdb", wait=20)
        yield DuckDbFromBucketRig(WrittenLake(lake.url, put), warehouse, lake)


@contextmanager
def bigquery_rig() -> Iterator[BigQueryRig]:
    """An empty project on the stand-in and a bucket that it reads."""
    bucket = Bucket()
    with BigQueryStandIn(bucket.read, list_objects=bucket.list) as server:
        warehouse = BigQueryWarehouse(server.client(), location="EU", timeouts=QUICK)
        yield BigQueryRig(WrittenLake("gs://lake", bucket.put), warehouse, server)
