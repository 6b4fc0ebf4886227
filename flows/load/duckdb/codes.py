"""The tables of names in a DuckDB file: brought to what the lake has in one transaction, comments and all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import duckdb

from flows.load.codes import comment_of, version_in
from flows.load.duckdb.tables import existing_columns, literal, quoted
from flows.load.lake.codes import read_codes
from flows.load.lake.protocol import Lake
from flows.tlc.codes import CodeRows, CodeTable
from flows.tlc.locations import SCHEMA


def read_versions(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The version of each table of names that is there, by table; empty if it does not say."""
    found = connection.execute(
        "select table_name, comment from duckdb_tables() where database_name = current_database() and schema_name = ?",
        [SCHEMA],
    )
    return {name: version_in(comment) for name, comment in found.fetchall()}


def replace_codes(connection: duckdb.DuckDBPyConnection, lake: Lake, wanted: Sequence[CodeRows]) -> None:
    """Put what the lake has into these tables, in the transaction under way; makes those that are missing."""
    ensure_tables(connection, [rows.table for rows in wanted])
    for rows in wanted:
        table = f"{SCHEMA}.{rows.name}"
        names = ", ".join(map(quoted, rows.table.names))
        connection.execute(f"delete from {table}")  # noqa: S608 - a constant of the project
        connection.register("in_lake", read_codes(lake, rows.name))
        connection.execute(f"insert into {table} ({names}) select {names} from in_lake")  # noqa: S608
        connection.unregister("in_lake")
        connection.execute(f"comment on table {table} is {literal(comment_of(rows))}")
        for column in rows.table.columns:
            connection.execute(f"comment on column {table}.{quoted(column.name)} is {literal(column.comment)}")


def ensure_tables(connection: duckdb.DuckDBPyConnection, wanted: Iterable[CodeTable]) -> None:
    """Make those of the tables that are missing, empty and of no version, in the transaction under way."""
    connection.execute(f"create schema if not exists {SCHEMA}")
    for table in wanted:
        if not existing_columns(connection, table.name):
            connection.execute(f"create table {SCHEMA}.{table.name} ({_definitions(table)})")


def _definitions(table: CodeTable) -> str:
    return ", ".join(
        f"{quoted(column.name)} {column.duckdb}{' not null' if column.required else ''}" for column in table.columns
    )
