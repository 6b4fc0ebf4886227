"""Put a month's new partition in the old one's place: the one moment at which readers may have to wait."""

from __future__ import annotations

import psycopg2.extensions
from psycopg2 import sql

from flows.load.postgres.indexes import rename_indexes
from flows.load.postgres.ledger import is_attached
from flows.load.postgres.locks import LockTimeouts, holding_locks
from flows.load.postgres.tables import add_columns, column_definition, existing_columns, missing_columns, table_name
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import partition_table, trips_table
from flows.tlc.month import Month
from flows.tlc.schema import Schema


def new_name(request: MonthRequest) -> str:
    """What the month's partition is called until it is swapped in."""
    return f"{partition_table(request.dataset, request.month)}_new"


def month_literal(month: Month) -> sql.Composed:
    """The value of ``source_month``."""
    return sql.SQL("date {}").format(sql.Literal(str(month.first_day)))


def swap_partition(
    cursor: psycopg2.extensions.cursor, request: MonthRequest, schema: Schema, waiting: LockTimeouts
) -> None:
    """Put the new partition in the old one's place, and the columns that it brings into the table.

    Without an old one and without new columns, readers are not even waited for. Raises TargetLocked if they leave no
    gap, TargetMismatch if another load has added one of the columns with another type meanwhile.
    """
    trips, partition = table_name(trips_table(request.dataset)), partition_table(request.dataset, request.month)
    replaces, widens = is_attached(cursor, request), bool(missing_columns(cursor, schema))
    old = table_name(partition) if replaces else None
    with holding_locks(cursor, trips, waiting, exclusive=replaces or widens, partition=old, descend=widens):
        if widens:
            add_columns(cursor, schema)
        _add_columns_since(cursor, request)
        if replaces:
            cursor.execute(sql.SQL("alter table {} detach partition {}").format(trips, table_name(partition)))
        cursor.execute(sql.SQL("drop table if exists {}").format(table_name(partition)))
        cursor.execute(
            sql.SQL("alter table {} rename to {}").format(table_name(new_name(request)), sql.Identifier(partition))
        )
        rename_indexes(cursor, new_name(request), partition)
        cursor.execute(
            sql.SQL("alter table {} attach partition {} for values in ({})").format(
                trips, table_name(partition), month_literal(request.month)
            )
        )
        cursor.execute(
            sql.SQL("alter table {} drop constraint source_month, alter column source_month drop default").format(
                table_name(partition)
            )
        )


def _add_columns_since(cursor: psycopg2.extensions.cursor, request: MonthRequest) -> None:
    """Give the new partition the columns that another month's load has added to the table since it was made."""
    made = existing_columns(cursor, new_name(request))
    for name, kind in existing_columns(cursor, trips_table(request.dataset)).items():
        if name not in made:
            cursor.execute(
                sql.SQL("alter table {} add column {}").format(
                    table_name(new_name(request)), column_definition(name, *kind)
                )
            )
