"""Reading the marts in a DuckDB file."""

from __future__ import annotations

from typing import Any

import duckdb

from flows.load.marts import SQL_NAMES, MartsReader, models_missing


def marts_reader(connection: duckdb.DuckDBPyConnection | None, place: str) -> MartsReader:
    """A reader of the open file; no other process gets at it meanwhile. None: there is no file yet."""

    def rows(sql: str) -> list[dict[str, Any]]:
        if connection is None:
            raise models_missing(place, "there is no such file")
        try:
            found = connection.execute(sql)
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            raise models_missing(place, str(error).strip().splitlines()[0]) from error
        names = [name for name, *_ in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    return MartsReader(place, SQL_NAMES, rows)
