"""The homework's table ``mage.green_taxi``: replaced whole, in one transaction, once its assertions hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import psycopg2.extensions
from psycopg2 import errors, sql

from flows.load.postgres.copy import copy_batches
from flows.load.postgres.errors import postgres_errors, transaction
from flows.load.postgres.locks import LockTimeouts, advisory_lock, holding_locks
from flows.load.postgres.tables import catalogue_name, column_definition, ensure_schema, existing_columns, fetch_value
from flows.tlc.errors import CheckFailed, TargetMismatch
from flows.tlc.schema import Schema
from flows.transform.homework import PICKUP_DATE, HomeworkStream

SCHEMA, TABLE = "mage", "green_taxi"
_NAME = sql.Identifier(SCHEMA, TABLE)

Columns = Mapping[str, tuple[str, bool]]


def replace_green_taxi(
    connection: psycopg2.extensions.connection,
    trips: HomeworkStream,
    *,
    waiting: LockTimeouts | None = None,
    on_piece: Callable[[], None] = lambda: None,
) -> None:
    """Put ``trips`` in the place of what the table holds, whole or not at all, and commit.

    The table itself stays, with what others gave it: privileges, views, indexes, comments. Readers see the old rows
    until the commit, and wait only if its columns have to be changed. Raises CheckFailed if one of the three
    assertions does not hold, TargetMismatch if something depends on a column that has to go; the table is then as
    it was.
    """
    schema = trips.months[0].conformer.schema
    with postgres_errors(), transaction(connection), connection.cursor() as cursor:
        advisory_lock(cursor, TABLE)
        is_new = _make_or_empty(cursor, _declared(schema, trips), waiting or LockTimeouts())
        copy_batches(cursor, _NAME, trips.schema, trips, freeze=is_new, on_piece=on_piece)
        _check_assertions(cursor, schema)
        cursor.execute(sql.SQL("analyze {}").format(_NAME))


def _declared(schema: Schema, trips: HomeworkStream) -> Columns:
    """Type and NOT NULL of each column."""
    types = {column.name: column.postgres for column in schema.columns} | {PICKUP_DATE: "date"}
    return {field.name: (types[field.name], not field.nullable) for field in trips.schema}


def _make_or_empty(cursor: psycopg2.extensions.cursor, declared: Columns, waiting: LockTimeouts) -> bool:
    """Have an empty table with these columns; whether it was made just now."""
    ensure_schema(cursor, SCHEMA)
    cursor.execute(
        "select relkind in ('r', 'p') from pg_class join pg_namespace on pg_namespace.oid = relnamespace "
        "where nspname = %s and relname = %s",
        (SCHEMA, TABLE),
    )
    found = cursor.fetchone()
    if found is None:
        columns = sql.SQL(", ").join(column_definition(name, *kind) for name, kind in declared.items())
        cursor.execute(sql.SQL("create table {} ({})").format(_NAME, columns))
        return True
    if not found[0]:  # to delete from a view would delete what it shows
        raise TargetMismatch(f"{SCHEMA}.{TABLE} is there, and is no table. Rename it or drop it, and run again.")
    cursor.execute("set local lock_timeout = %s", (f"{int(waiting.total * 1000)}ms",))
    cursor.execute(sql.SQL("delete from {}").format(_NAME))
    _change_columns(cursor, declared, waiting)
    return False


def _change_columns(cursor: psycopg2.extensions.cursor, declared: Columns, waiting: LockTimeouts) -> None:
    """Give the emptied table the columns of these files, if it has those of others."""
    existing = existing_columns(cursor, TABLE, SCHEMA)
    unlike = [
        name for name in declared if name not in existing or existing[name][0] != catalogue_name(declared[name][0])
    ]
    gone = [name for name in existing if name not in declared or name in unlike]
    changes = [sql.SQL("drop column {}").format(sql.Identifier(name)) for name in gone]
    changes += [sql.SQL("add column {}").format(column_definition(name, *declared[name])) for name in unlike]
    if not changes:
        return
    try:
        with holding_locks(cursor, _NAME, waiting):
            cursor.execute(sql.SQL("alter table {} {}").format(_NAME, sql.SQL(", ").join(changes)))
    except errors.DependentObjectsStillExist as error:
        raise TargetMismatch(
            f"{SCHEMA}.{TABLE} has other columns than these months' files, and something needs the old ones: "
            f"{error.diag.message_detail}. Drop that, run again, and make it anew; the table is as it was."
        ) from error


def _check_assertions(cursor: psycopg2.extensions.cursor, schema: Schema) -> None:
    known_vendors = sorted(schema.column("vendor_id").codes)
    assertions = {
        f"vendor_id is one of {', '.join(map(str, known_vendors))}": "vendor_id = any(%(vendors)s)",
        "passenger_count is greater than 0": "passenger_count > 0",
        "trip_distance is greater than 0": "trip_distance > 0",
    }
    for meaning, condition in assertions.items():
        statement = sql.SQL("select count(*) from {} where ({}) is not true").format(_NAME, sql.SQL(condition))
        cursor.execute(statement, {"vendors": known_vendors})
        broken = fetch_value(cursor)
        if broken:
            raise CheckFailed(
                f"the assertion '{meaning}' does not hold for {broken:,} rows; {SCHEMA}.{TABLE} is as it was. "
                "Look at those rows at the source; a new vendor is declared in flows/tlc/schemas/green.toml."
            )
