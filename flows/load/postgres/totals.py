"""The control sums of months in Postgres: one query, which reads the partitions of these months alone."""

from __future__ import annotations

import psycopg2.extensions
from psycopg2 import sql

from flows.load.postgres.errors import postgres_errors
from flows.load.postgres.tables import fetch_value, table_name
from flows.load.totals_query import totals_by_month, totals_select
from flows.tlc.dataset import Dataset
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from flows.tlc.totals import Totals


def sum_months(
    connection: psycopg2.extensions.connection, dataset: Dataset, first: Month, last: Month
) -> dict[str, Totals]:
    """The control sums of each month from ``first`` to ``last`` that has rows, by month (YYYY-MM).

    Raises TargetError, TargetBusy or TargetUnavailable.
    """
    with postgres_errors(), connection, connection.cursor() as cursor:
        cursor.execute("select to_regclass(%s)", (f"{SCHEMA}.{trips_table(dataset)}",))
        if fetch_value(cursor) is None:
            return {}
        cursor.execute(totals_statement(dataset, first, last))
        return totals_by_month(cursor.fetchall())


def totals_statement(dataset: Dataset, first: Month, last: Month) -> sql.Composed:
    """The query; the months are constants in it, so that the planner leaves out all other partitions."""
    return sql.SQL(
        "select {} from {} where source_month between date {} and date {} group by source_month order by source_month"
    ).format(
        sql.SQL(totals_select(schema_of(dataset))),
        table_name(trips_table(dataset)),
        sql.Literal(str(first.first_day)),
        sql.Literal(str(last.first_day)),
    )
