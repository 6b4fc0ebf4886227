"""The ledger ``tlc.loads``: one row a load, written with the rows it speaks of, never changed."""

from __future__ import annotations

import json

import psycopg2.extensions
from psycopg2 import sql

from flows.decide.plan import LoadedMonth
from flows.load.ledger import unchanged
from flows.load.month_load import MonthLoad
from flows.load.postgres.tables import fetch_value, table_name
from flows.tlc.dataset import Dataset
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import SCHEMA, partition_table, trips_table
from flows.tlc.month import Month
from flows.tlc.report import LoadReport

# Rows are read as a whole (to_jsonb): a table that no load has widened yet lacks the newest columns.
_COLUMNS = (*LoadReport.model_fields, "content_key", "conform_version", "flow_run_id", "started_at")


def read_load(cursor: psycopg2.extensions.cursor, request: MonthRequest, source_etag: str) -> LoadReport | None:
    """The report (``unchanged``) of the load in the table, if it is of this very file, conformed in this way.

    None if the month has to be loaded: it never was, it was of other content, or its partition has been removed.
    """
    cursor.execute("select to_regclass(%s)", (f"{SCHEMA}.loads",))
    if fetch_value(cursor) is None:
        return None
    cursor.execute(
        sql.SQL(
            "select content_key, to_jsonb(loads) from {} loads where dataset = %s and month = %s "
            "order by load_id desc limit 1"
        ).format(table_name("loads")),
        (str(request.dataset), str(request.month)),
    )
    row = cursor.fetchone()
    if row is None or row[0] != request.content_key(source_etag) or not is_attached(cursor, request):
        return None
    return unchanged(LoadReport(**row[1]))


def refuse_outdated(cursor: psycopg2.extensions.cursor, load: MonthLoad) -> None:
    """Raise NewerLoad if the month's last load asked for the file later, and found another version of it."""
    cursor.execute(
        sql.SQL(
            "select source_url, source_etag, started_at from {} where dataset = %s and month = %s "
            "order by load_id desc limit 1"
        ).format(table_name("loads")),
        (str(load.request.dataset), str(load.request.month)),
    )
    row = cursor.fetchone()
    if row is not None and load.is_outdated_by(*row) and is_attached(cursor, load.request):
        raise load.newer(row[1])


def read_loads(cursor: psycopg2.extensions.cursor, dataset: Dataset) -> dict[str, LoadedMonth]:
    """The last load of each month that the ledger knows, by month; whole if the table has its partition.

    Has to be the first query of its transaction.
    """
    # One snapshot for both: of a load that commits between two, the ledger would be seen and the partition not.
    cursor.execute("set transaction isolation level repeatable read, read only")
    cursor.execute("select to_regclass(%s)", (f"{SCHEMA}.loads",))
    if fetch_value(cursor) is None:
        return {}
    cursor.execute(
        "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = to_regclass(%s)",
        (f"{SCHEMA}.{trips_table(dataset)}",),
    )
    partitions = {name for (name,) in cursor.fetchall()}
    cursor.execute(
        sql.SQL(
            "select distinct on (month) content_key, loaded_at, to_jsonb(loads) from {} loads where dataset = %s "
            "order by month, load_id desc"
        ).format(table_name("loads")),
        (str(dataset),),
    )
    found = {}
    for content_key, loaded_at, row in cursor.fetchall():
        report = LoadReport(**row)
        is_intact = partition_table(dataset, Month.parse(report.month)) in partitions
        found[report.month] = LoadedMonth(report, content_key, loaded_at, is_intact=is_intact)
    return found


def is_attached(cursor: psycopg2.extensions.cursor, request: MonthRequest) -> bool:
    """Whether the month has a partition that readers of the dataset's table see."""
    cursor.execute(
        "select exists (select from pg_inherits where inhrelid = to_regclass(%s) and inhparent = to_regclass(%s))",
        (
            f"{SCHEMA}.{partition_table(request.dataset, request.month)}",
            f"{SCHEMA}.{trips_table(request.dataset)}",
        ),
    )
    return bool(fetch_value(cursor))


def write_ledger(cursor: psycopg2.extensions.cursor, load: MonthLoad, report: LoadReport) -> None:
    """Add the load's row, in the transaction under way."""
    values = [json.dumps(value) if isinstance(value, dict | list) else value for value in report.model_dump().values()]
    values += [load.content_key, load.request.conform_version, load.flow_run_id, load.source_checked_at]
    cursor.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            table_name("loads"), _identifiers(_COLUMNS), sql.SQL(", ").join([sql.Placeholder()] * len(_COLUMNS))
        ),
        values,
    )


def _identifiers(names: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
