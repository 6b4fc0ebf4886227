"""The ledger ``tlc.loads``: one row a load, written with the rows it speaks of, never changed."""

from __future__ import annotations

import json
from typing import Any

from psycopg2 import sql

from flows.decide.plan import LoadedMonth
from flows.load.month_load import MonthLoad
from flows.load.postgres.tables import table_name
from flows.tlc.dataset import Dataset
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import SCHEMA, partition_table, trips_table
from flows.tlc.month import Month
from flows.tlc.report import LoadReport

# Rows are read as a whole (to_jsonb): a table that no load has widened yet lacks the newest columns.
_COLUMNS = (*LoadReport.model_fields, "content_key", "conform_version", "flow_run_id", "started_at")


def read_load(cursor: Any, request: MonthRequest, source_etag: str) -> LoadReport | None:
    """The report of the load that stands in the table, if it is of this very file, conformed this very way.

    None where the month has to be loaded: never was, otherwise was, or its partition has been removed since.
    """
    cursor.execute("select to_regclass(%s)", (f"{SCHEMA}.loads",))
    if cursor.fetchone()[0] is None:
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
    return LoadReport(**row[1] | {"status": "unchanged", "bytes_read": 0, "seconds": 0.0})


def refuse_outdated(cursor: Any, load: MonthLoad) -> None:
    """Raise NewerLoad where the month's last load looked at the file later, and found another version of it."""
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


def read_loads(cursor: Any, dataset: Dataset) -> dict[str, LoadedMonth]:
    """The last load of each month that the ledger knows, by month; whole where the table has its partition.

    To be the first that its transaction asks.
    """
    # One snapshot for both: of a load that commits between two, the ledger would be seen and the partition not.
    cursor.execute("set transaction isolation level repeatable read, read only")
    cursor.execute("select to_regclass(%s)", (f"{SCHEMA}.loads",))
    if cursor.fetchone()[0] is None:
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
        is_whole = partition_table(dataset, Month.parse(report.month)) in partitions
        found[report.month] = LoadedMonth(report, content_key, loaded_at, is_whole=is_whole)
    return found


def is_attached(cursor: Any, request: MonthRequest) -> bool:
    """Whether the month has a partition that readers of the dataset's table see."""
    cursor.execute(
        "select exists (select from pg_inherits where inhrelid = to_regclass(%s) and inhparent = to_regclass(%s))",
        (
            f"{SCHEMA}.{partition_table(request.dataset, request.month)}",
            f"{SCHEMA}.{trips_table(request.dataset)}",
        ),
    )
    return bool(cursor.fetchone()[0])


def write_ledger(cursor: Any, load: MonthLoad, report: LoadReport) -> None:
    """Add the load's row, in the transaction under way."""
    values = [json.dumps(value) if isinstance(value, dict | list) else value for value in report.model_dump().values()]
    values += [load.content_key, load.request.conform_version, load.flow_run_id, load.looked_at]
    cursor.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            table_name("loads"), _identifiers(_COLUMNS), sql.SQL(", ").join([sql.Placeholder()] * len(_COLUMNS))
        ),
        values,
    )


def _identifiers(names: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
