"""The targets as the blocks have them, each with its own libraries alone: a leg starts without those of the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect.filesystems import LocalFileSystem

from blocks.names import POSTGRES, WAREHOUSE
from blocks.register import load_block, load_duckdb_file, load_lake
from flows.load.lake.folder import FolderLake
from flows.load.lake.protocol import Lake
from flows.load.warehouse.protocol import Warehouse


@contextmanager
def postgres_connected() -> Iterator[Any]:
    """A connection to the Postgres of the block ``tlc-postgres``; what goes wrong with it is a TargetError."""
    from prefect_sqlalchemy import SqlAlchemyConnector  # noqa: PLC0415 - SQLAlchemy takes 0.2 s

    from blocks.postgres import postgres_connection  # noqa: PLC0415
    from flows.load.postgres.errors import postgres_errors  # noqa: PLC0415

    with postgres_errors(), postgres_connection(load_block(SqlAlchemyConnector, POSTGRES)) as connection:
        yield connection


def open_lake() -> Lake:
    """The lake of the block ``tlc-lake``."""
    block = load_lake()
    if isinstance(block, LocalFileSystem):
        return FolderLake(Path(block.basepath or "").expanduser())
    from blocks.lake import storage_client  # noqa: PLC0415 - Google's libraries take a second
    from flows.load.lake.gcs import GcsLake  # noqa: PLC0415

    return GcsLake(storage_client(block).bucket(block.bucket), block.bucket_folder.strip("/"))


def open_warehouse() -> Warehouse:
    """The warehouse of the block ``tlc-warehouse``; connects to nothing yet. Raises TargetError without credentials."""
    if (file := load_duckdb_file()) is not None:
        from flows.load.duckdb.month import DuckDbWarehouse  # noqa: PLC0415 - a database that others do not need

        return DuckDbWarehouse(file)
    from blocks.warehouse import TripWarehouse  # noqa: PLC0415 - Google's libraries take a second
    from flows.load.bigquery.errors import bigquery_errors  # noqa: PLC0415
    from flows.load.bigquery.month import BigQueryWarehouse  # noqa: PLC0415

    block: TripWarehouse = load_block(TripWarehouse, WAREHOUSE)
    with bigquery_errors(f"BigQuery {block.project}.{block.dataset}"):
        client = block.bigquery_client()
    return BigQueryWarehouse(client, block.dataset, block.location, block.maximum_bytes_billed)
