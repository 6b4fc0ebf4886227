"""The tables of schema ``tlc`` in a DuckDB file: made, and widened by new columns, from the schema files."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from flows.load.ledger import LEDGER, LEDGER_COMMENT, LEDGER_TABLE
from flows.tlc.errors import TargetMismatch
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.schema import Schema


def ensure_tables(connection: duckdb.DuckDBPyConnection, schema: Schema) -> None:
    """Make the ledger and the dataset's table, and add columns that the latter lacks, in the transaction under way.

    Raises TargetMismatch if a column has another type than is declared.
    """
    connection.execute(f"create schema if not exists {SCHEMA}")
    if not existing_columns(connection, LEDGER_TABLE):
        connection.execute("; ".join(_create_ledger()))
    _widen_ledger(connection)
    table = trips_table(schema.dataset)
    existing = existing_columns(connection, table)
    if not existing:
        columns = ", ".join(
            f"{quoted(column.name)} {column.duckdb}{' not null' if column.required else ''}"
            for column in schema.columns
        )
        connection.execute(f"create table {SCHEMA}.{table} ({columns})")
    for column in schema.columns:
        found = existing.get(column.name)
        if found is None:
            if existing:  # null in the months loaded before, so never NOT NULL
                connection.execute(f"alter table {SCHEMA}.{table} add column {quoted(column.name)} {column.duckdb}")
            connection.execute(f"comment on column {SCHEMA}.{table}.{quoted(column.name)} is {literal(column.comment)}")
        elif found != column.duckdb:
            raise TargetMismatch(
                f"{SCHEMA}.{table}.{column.name} is {found} in DuckDB, but {column.duckdb} is declared. Change it "
                f"with: alter table {SCHEMA}.{table} alter {column.name} type {column.duckdb}; then run again."
            )


def _widen_ledger(connection: duckdb.DuckDBPyConnection) -> None:
    """Add the columns that the ledger of an older version lacks."""
    existing = existing_columns(connection, LEDGER_TABLE)
    for column in LEDGER:
        if column.name not in existing:
            connection.execute(f"alter table {SCHEMA}.{LEDGER_TABLE} add column {column.name} {column.duckdb}")


def existing_columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """The type of each column of a table of schema ``tlc``, in its order; none if there is no such table."""
    found = connection.execute(
        "select column_name, data_type from duckdb_columns() "
        "where database_name = current_database() and schema_name = ? and table_name = ? order by column_index",
        [SCHEMA, table],
    )
    return dict(found.fetchall())


def quoted(name: str) -> str:
    """A name as an identifier, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a constant, for the statements that take no parameters."""
    return "'" + text.replace("'", "''") + "'"


def _create_ledger() -> Iterator[str]:
    columns = ", ".join(f"{column.name} {column.duckdb}{' not null' if column.required else ''}" for column in LEDGER)
    table = f"{SCHEMA}.{LEDGER_TABLE}"
    yield f"create table {table} ({columns}, check (rows_read = rows_loaded + rows_rejected))"
    yield f"comment on table {table} is {literal(LEDGER_COMMENT)}"
    for column in LEDGER:
        yield f"comment on column {table}.{column.name} is {literal(column.description)}"
