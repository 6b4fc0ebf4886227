"""What the blocks name, ready to use: the sources, and the targets.

Each target's modules and libraries are imported when that target is opened: loading into one needs no other's.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from prefect.filesystems import LocalFileSystem

from blocks.names import MIRROR_SOURCE, POSTGRES, TLC_SOURCE, WAREHOUSE
from blocks.register import load_block, load_duckdb_file, load_lake
from blocks.settings import Settings, make_private
from blocks.trip_data_source import TripDataSource
from flows.tlc.dataset import Source
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import month_path

if TYPE_CHECKING:
    from flows.load.bigquery.month import BigQueryWarehouse
    from flows.load.lake.protocol import Lake
    from flows.load.warehouse.protocol import Warehouse


def source_block(source: Source) -> TripDataSource:
    """The block of a source."""
    block: TripDataSource = load_block(TripDataSource, MIRROR_SOURCE if source is Source.mirror else TLC_SOURCE)
    return block


def month_url(request: MonthRequest) -> str:
    """The address of the month's file at its source."""
    return source_block(request.source).url(month_path(request.dataset, request.month, request.source))


def http_client() -> httpx.Client:
    """A client for the source."""
    return httpx.Client(verify=_tls())


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # reads all of the system's certificates: 50 ms, once a process


def work_dir() -> Path:
    """The folder for a load's temporary files: beside the downloads, on the disk that has to be large anyway."""
    return Settings().cache_dir / "lake-tmp"


@contextmanager
def postgres_connected() -> Iterator[Any]:
    """A connection to the Postgres of the block ``tlc-postgres``; its errors become TargetError."""
    from prefect_sqlalchemy import SqlAlchemyConnector  # noqa: PLC0415 - SQLAlchemy takes 0.2 s

    from blocks.postgres import postgres_connection  # noqa: PLC0415
    from flows.load.postgres.errors import postgres_errors  # noqa: PLC0415

    with postgres_errors(), postgres_connection(load_block(SqlAlchemyConnector, POSTGRES)) as connection:
        yield connection


def open_lake() -> Lake:
    """The lake of the block ``tlc-lake``."""
    block = load_lake()
    if isinstance(block, LocalFileSystem):
        from flows.load.lake.folder import FolderLake  # noqa: PLC0415

        return FolderLake(_private_if_local(_folder_of(block)))
    from blocks.lake import storage_client  # noqa: PLC0415 - Google's libraries take a second
    from flows.load.lake.gcs import GcsLake  # noqa: PLC0415

    return GcsLake(storage_client(block).bucket(block.bucket), block.bucket_folder.strip("/"))


def lake_folder() -> Path | None:
    """The folder of the block ``tlc-lake``; None if it is a bucket."""
    block = load_lake()
    return _folder_of(block) if isinstance(block, LocalFileSystem) else None


def _folder_of(block: LocalFileSystem) -> Path:
    return Path(block.basepath or "").expanduser()


def _private_if_local(path: Path) -> Path:
    """The path; if it is in the local folder, nobody but its owner can enter that, whatever the umask."""
    local = Settings().local_dir.absolute()
    if path.is_relative_to(local):
        make_private(local)
    return path


def open_warehouse() -> Warehouse:
    """The warehouse of the block ``tlc-warehouse``; connects to nothing yet. Raises TargetError without credentials."""
    if (file := load_duckdb_file()) is not None:
        from flows.load.duckdb.month import DuckDbWarehouse  # noqa: PLC0415

        return DuckDbWarehouse(_private_if_local(file))
    return open_bigquery()


def open_bigquery() -> BigQueryWarehouse:
    """The BigQuery dataset of the block ``tlc-warehouse``, as ``open_warehouse`` gives it."""
    from blocks.warehouse import TripWarehouse  # noqa: PLC0415 - Google's libraries take a second
    from flows.load.bigquery.errors import bigquery_errors  # noqa: PLC0415
    from flows.load.bigquery.month import BigQueryWarehouse  # noqa: PLC0415

    block: TripWarehouse = load_block(TripWarehouse, WAREHOUSE)
    with bigquery_errors(f"BigQuery {block.project}.{block.dataset}"):
        client = block.bigquery_client()
    return BigQueryWarehouse(client, block.dataset, block.location, block.maximum_bytes_billed)
