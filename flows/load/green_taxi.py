"""The homework's table ``mage.green_taxi``: replaced whole, in one transaction, once its assertions hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from psycopg2 import sql

from flows.load.postgres_copy import copy_batches
from flows.load.postgres_errors import postgres_errors
from flows.load.postgres_locks import Waiting, holding_locks, lock_in_turn
from flows.load.postgres_tables import column_definition
from flows.tlc.errors import CheckFailed
from flows.tlc.schema import Schema
from flows.transform.homework import PICKUP_DATE, HomeworkStream

SCHEMA, TABLE = "mage", "green_taxi"


def replace_green_taxi(
    connection: Any,
    trips: HomeworkStream,
    *,
    waiting: Waiting | None = None,
    on_piece: Callable[[], None] = lambda: None,
) -> None:
    """Put ``trips`` in the place of what the table holds, whole or not at all, and commit.

    Raises CheckFailed where one of the three assertions does not hold; the table is then as it was.
    """
    old, new = sql.Identifier(SCHEMA, TABLE), sql.Identifier(SCHEMA, f"{TABLE}_new")
    schema = trips.months[0].conformer.schema
    with postgres_errors(), connection, connection.cursor() as cursor:
        lock_in_turn(cursor, TABLE)
        cursor.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(SCHEMA)))
        cursor.execute(sql.SQL("create table {} ({})").format(new, _definitions(schema, trips)))
        copy_batches(cursor, new, trips.schema, trips, freeze=True, on_piece=on_piece)
        _check_assertions(cursor, new, schema)
        cursor.execute(sql.SQL("analyze {}").format(new))
        _swap(cursor, old, new, waiting or Waiting())


def _definitions(schema: Schema, trips: HomeworkStream) -> sql.Composed:
    types = {column.name: column.postgres for column in schema.columns} | {PICKUP_DATE: "date"}
    fields = [column_definition(field.name, types[field.name], not field.nullable) for field in trips.schema]
    return sql.SQL(", ").join(fields)


def _check_assertions(cursor: Any, table: sql.Identifier, schema: Schema) -> None:
    known_vendors = sorted(schema.column("vendor_id").codes)
    assertions = {
        f"vendor_id is one of {', '.join(map(str, known_vendors))}": "vendor_id = any(%(vendors)s)",
        "passenger_count is greater than 0": "passenger_count > 0",
        "trip_distance is greater than 0": "trip_distance > 0",
    }
    for meaning, condition in assertions.items():
        statement = sql.SQL("select count(*) from {} where ({}) is not true").format(table, sql.SQL(condition))
        cursor.execute(statement, {"vendors": known_vendors})
        broken = cursor.fetchone()[0]
        if broken:
            raise CheckFailed(
                f"the assertion '{meaning}' does not hold for {broken:,} rows; {SCHEMA}.{TABLE} is as it was. "
                "Look at those rows at the source; a new vendor is declared in flows/tlc/schemas/green.toml."
            )


def _swap(cursor: Any, old: sql.Identifier, new: sql.Identifier, waiting: Waiting) -> None:
    cursor.execute("select to_regclass(%s)", (f"{SCHEMA}.{TABLE}",))
    rename = sql.SQL("alter table {} rename to {}").format(new, sql.Identifier(TABLE))
    if cursor.fetchone()[0] is None:
        cursor.execute(rename)
        return
    with holding_locks(cursor, old, waiting):
        cursor.execute(sql.SQL("drop table {}").format(old))
        cursor.execute(rename)
