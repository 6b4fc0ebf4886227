"""The control sums of months in a DuckDB file."""

from __future__ import annotations

import duckdb

from flows.load.duckdb.tables import existing_columns
from flows.load.totals_query import totals_by_month, totals_select
from flows.tlc.dataset import Dataset
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from flows.tlc.totals import Totals


def sum_months(connection: duckdb.DuckDBPyConnection, dataset: Dataset, first: Month, last: Month) -> dict[str, Totals]:
    """See ``Warehouse.sum_months``."""
    table = trips_table(dataset)
    if not existing_columns(connection, table):
        return {}
    found = connection.execute(
        f"select {totals_select(schema_of(dataset))} from {SCHEMA}.{table} "  # noqa: S608
        "where source_month between ? and ? group by source_month order by source_month",
        [first.first_day, last.first_day],
    )
    return totals_by_month(found.fetchall())
