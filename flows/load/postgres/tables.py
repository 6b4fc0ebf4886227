"""The tables of schema ``tlc`` in Postgres: made, and widened by new columns, from the schema files."""

from __future__ import annotations

from typing import Any

import psycopg2.extensions
from psycopg2 import sql

from flows.load.ledger import LEDGER, LEDGER_COMMENT, LEDGER_TABLE, LedgerColumn
from flows.load.postgres.locks import LockTimeouts, advisory_lock, holding_locks
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetMismatch
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.schema import Schema, postgres_columns, schema_of

# The ledger is for audits: a row, once written, stays.
_SHARED_TABLES = """
create table if not exists {schema}.loads (
    {ledger},
    check (rows_read = rows_loaded + rows_rejected)
);
create index if not exists loads_month on {schema}.loads (dataset, month, load_id);
create or replace function {schema}.keep_ledger() returns trigger language plpgsql as $$
begin
    raise exception 'the ledger {schema_name}.loads is never updated or deleted';
end $$;
create or replace trigger keep_ledger before update or delete on {schema}.loads
    for each row execute function {schema}.keep_ledger();
create table if not exists {schema}.rejected_trips (
    dataset text not null,
    source_month date not null,
    rule text not null,
    detail text,
    row_number bigint,
    record jsonb not null
);
create index if not exists rejected_trips_month on {schema}.rejected_trips (dataset, source_month);
comment on table {schema}.loads is {ledger_comment};
comment on table {schema}.rejected_trips is 'Every row that was not loaded, and the rule that says why.';
"""

# What Postgres fills in itself.
_GENERATED = {"load_id": " generated always as identity primary key", "loaded_at": " default clock_timestamp()"}


def table_name(name: str) -> sql.Identifier:
    """The quoted name of a table of schema ``tlc``."""
    return sql.Identifier(SCHEMA, name)


def ensure_tables(connection: psycopg2.extensions.connection, dataset: Dataset, waiting: LockTimeouts) -> None:
    """Make the shared tables and the dataset's, with the declared columns, if they are missing; commits.

    Asks the catalogue first, so that a load into ready tables takes no lock.
    """
    with connection.cursor() as cursor:
        if not _exists(cursor, trips_table(dataset)):
            _make_shared_tables(cursor)
            if not _exists(cursor, trips_table(dataset)):
                cursor.execute(_create_trips(schema_of(dataset)))
        _widen_ledger(connection, cursor, waiting)


def ensure_ledger(connection: psycopg2.extensions.connection) -> None:
    """Make the shared tables if they are missing, the ledger with the columns of this version; commits.

    For its owner, if that is not who loads: whoever loads needs no more than to select and insert then.
    """
    with connection.cursor() as cursor:
        _make_shared_tables(cursor)
        _widen_ledger(connection, cursor, LockTimeouts())


def _make_shared_tables(cursor: psycopg2.extensions.cursor) -> None:
    advisory_lock(cursor, "tables")  # two first loads at once
    ensure_schema(cursor, SCHEMA)
    if not _exists(cursor, LEDGER_TABLE):  # "if not exists" would lock what another load is writing to
        cursor.execute(_create_shared_tables(), ())


def _create_shared_tables() -> sql.Composed:
    columns = (column_definition(column.name, _ledger_type(column), column.required) for column in LEDGER)
    return sql.SQL(_SHARED_TABLES).format(
        schema=sql.Identifier(SCHEMA),
        schema_name=sql.SQL(SCHEMA),
        ledger=sql.SQL(",\n    ").join(columns),
        ledger_comment=sql.Literal(LEDGER_COMMENT),
    )


def _ledger_type(column: LedgerColumn) -> str:
    return column.postgres + _GENERATED.get(column.name, "")


def _widen_ledger(
    connection: psycopg2.extensions.connection, cursor: psycopg2.extensions.cursor, waiting: LockTimeouts
) -> None:
    """Commit, and add the columns that the ledger of an older version lacks; TargetMismatch if only another may."""
    existing = existing_columns(cursor, LEDGER_TABLE)
    connection.commit()
    lacking = [column for column in LEDGER if column.name not in existing]
    if not lacking:
        return
    owned = "select pg_has_role(relowner, 'usage') from pg_class where oid = %s::regclass"
    cursor.execute(owned, (f"{SCHEMA}.{LEDGER_TABLE}",))
    if not fetch_value(cursor):
        names = ", ".join(column.name for column in lacking)
        raise TargetMismatch(
            f"tlc.loads is of an older version than this worker: it lacks {names}, and is not this user's. First run "
            "`docker compose up` of this version on the server (its service roles adds them), or for Cloud SQL "
            "deployments/terraform/roles.sh."
        )
    table = table_name(LEDGER_TABLE)
    with holding_locks(cursor, table, waiting):
        for column in lacking:
            definition = column_definition(column.name, column.postgres, False)
            cursor.execute(sql.SQL("alter table {} add column if not exists {}").format(table, definition))
    connection.commit()


def fetch_value(cursor: psycopg2.extensions.cursor) -> Any:
    """The one value of the query's one row; None if it gave no row."""
    row = cursor.fetchone()
    return row[0] if row else None


def ensure_schema(cursor: psycopg2.extensions.cursor, name: str) -> None:
    """Make the schema unless it is there. "If not exists" would ask for the right to make one even then."""
    cursor.execute("select exists (select from pg_namespace where nspname = %s)", (name,))
    if not fetch_value(cursor):
        cursor.execute(sql.SQL("create schema {}").format(sql.Identifier(name)))


def _exists(cursor: psycopg2.extensions.cursor, name: str) -> bool:
    # Not to_regclass: it answers from the session's cache, which a wait for an advisory lock does not refresh.
    cursor.execute(
        "select exists (select from pg_class join pg_namespace on pg_namespace.oid = relnamespace "
        "where nspname = %s and relname = %s)",
        (SCHEMA, name),
    )
    return bool(fetch_value(cursor))


def existing_columns(
    cursor: psycopg2.extensions.cursor, name: str, schema: str = SCHEMA
) -> dict[str, tuple[str, bool]]:
    """Type and NOT NULL of each column that the table has now, in its order. Takes no lock on it."""
    cursor.execute(
        "select attname, format_type(atttypid, atttypmod), attnotnull from pg_attribute "
        "where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum",
        (f"{schema}.{name}",),
    )
    return {name: (type_name, not_null) for name, type_name, not_null in cursor.fetchall()}


def column_definition(name: str, type_name: str, not_null: bool) -> sql.Composed:
    """``"name" type [not null]``; types come from the schema files or the catalogue, never from a user."""
    return sql.SQL("{} {}{}").format(
        sql.Identifier(name), sql.SQL(type_name), sql.SQL(" not null") if not_null else sql.SQL("")
    )


def _create_trips(schema: Schema) -> sql.Composed:
    table = table_name(trips_table(schema.dataset))
    statements = [
        sql.SQL("create table if not exists {} ({}) partition by list (source_month)").format(
            table, sql.SQL(", ").join(column_definition(*column) for column in postgres_columns(schema))
        ),
        sql.SQL("create index if not exists {} on {} {}").format(
            sql.Identifier(f"{trips_table(schema.dataset)}_pickup"), table, pickup_index(schema)
        ),
        *(
            sql.SQL("comment on column {}.{} is {}").format(
                table, sql.Identifier(column.name), sql.Literal(column.comment)
            )
            for column in schema.columns
        ),
    ]
    return sql.SQL(";\n").join(statements)


def pickup_index(schema: Schema) -> sql.Composed:
    """The method and column of the one index that trips have: a few kB a month, and a day's trips are found by it."""
    pickup = schema.role("pickup")
    assert pickup is not None, "every dataset has a pickup time"
    return sql.SQL("using brin ({})").format(sql.Identifier(pickup.name))


def missing_columns(cursor: psycopg2.extensions.cursor, schema: Schema) -> list[tuple[str, str, bool]]:
    """The columns that the dataset's table lacks. Raises TargetMismatch if one has another type than declared."""
    missing = []
    table = f"{SCHEMA}.{trips_table(schema.dataset)}"
    existing = existing_columns(cursor, trips_table(schema.dataset))
    for name, type_name, not_null in postgres_columns(schema):
        found = existing.get(name)
        if found is None:
            missing.append((name, type_name, not_null))
        elif found[0] != catalogue_name(type_name):
            raise TargetMismatch(
                f"{table}.{name} is {found[0]} in Postgres, but {type_name} is declared. Change it with: "
                f"alter table {table} alter column {name} type "
                f"{type_name} using {name}::{type_name}; then run again."
            )
    return missing


def catalogue_name(type_name: str) -> str:
    """The type as ``existing_columns`` gives it."""
    return "timestamp without time zone" if type_name == "timestamp" else type_name


def add_columns(cursor: psycopg2.extensions.cursor, schema: Schema) -> None:
    """Add the columns that the dataset's table lacks, in the transaction under way, which holds its lock."""
    table = table_name(trips_table(schema.dataset))
    for column in missing_columns(cursor, schema):
        cursor.execute(sql.SQL("alter table {} add column {}").format(table, column_definition(*column)))
        comment = schema.column(column[0]).comment
        cursor.execute(sql.SQL("comment on column {}.{} is %s").format(table, sql.Identifier(column[0])), (comment,))
