"""Reading the marts in Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2.extensions
from psycopg2 import errors

from flows.load.marts import SQL_NAMES, MartsReader, models_missing
from flows.load.postgres.errors import postgres_errors, transaction


@contextmanager
def reading_marts(connection: psycopg2.extensions.connection) -> Iterator[MartsReader]:
    """A reader to which everything is as it was at its first query, whatever is built meanwhile."""
    place = f"Postgres {connection.info.dbname}"
    with postgres_errors(), transaction(connection), connection.cursor() as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")

        def rows(sql: str) -> list[dict[str, Any]]:
            try:
                cursor.execute(sql)
            except (errors.UndefinedTable, errors.UndefinedColumn) as error:
                raise models_missing(place, str(error).splitlines()[0]) from error
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

        yield MartsReader(place, SQL_NAMES, rows)
