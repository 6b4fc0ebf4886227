"""What building models needs of a DuckDB file: the tables that they read, and what their months were built from."""

from __future__ import annotations

import duckdb

from flows.decide.models import ModelBuild
from flows.load.duckdb import codes
from flows.load.duckdb.tables import ensure_tables
from flows.tlc.codes import code_tables
from flows.tlc.dataset import Dataset
from flows.tlc.locations import MARTS, MODEL_BUILDS, SCHEMA
from flows.tlc.schema import schema_of

_MARTS_SCHEMA = f"{SCHEMA}_{MARTS}"


def ensure_sources(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that no load has made yet, and add the columns that older versions did not have."""
    for dataset in Dataset:
        ensure_tables(connection, schema_of(dataset))
    codes.ensure_tables(connection, code_tables())


def read_builds(connection: duckdb.DuckDBPyConnection) -> list[ModelBuild]:
    """What each month of the marts was built from; nothing of a mart that is not there any more."""
    there = connection.execute(
        "select table_name from information_schema.tables "
        "where table_catalog = current_database() and table_schema = ?",
        [_MARTS_SCHEMA],
    )
    names = [name for (name,) in there.fetchall()]
    if MODEL_BUILDS not in names:
        return []
    table = f"{_MARTS_SCHEMA}.{MODEL_BUILDS}"
    found = connection.execute(
        f"select model, dataset, strftime(source_month, '%Y-%m'), loaded_at, version from {table} "  # noqa: S608
        "where list_contains(?, model)",
        [names],
    )
    return [ModelBuild(*row) for row in found.fetchall()]
