"""The ledger in a DuckDB file: one row a load, entered in the transaction that loads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import duckdb

from flows.load.duckdb.tables import existing_columns
from flows.load.ledger import LEDGER, LEDGER_TABLE, unchanged
from flows.load.warehouse.ledger import ledger_row, report_of
from flows.load.warehouse.protocol import WarehouseLoad
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.report import LoadReport


def read_load(connection: duckdb.DuckDBPyConnection, load: WarehouseLoad) -> LoadReport | None:
    """The last load's report if it has the content and its rows are there."""
    wanted = {"dataset": str(load.dataset), "month": str(load.month)}
    rows = last_rows(connection, "dataset = $dataset and month = $month", wanted)
    if not rows or rows[0]["content_key"] != load.content_key:
        return None
    table = f"{SCHEMA}.{trips_table(load.dataset)}"
    if not existing_columns(connection, trips_table(load.dataset)):
        return None
    counted = connection.execute(f"select count(*) from {table} where source_month = ?", [load.month.first_day])  # noqa: S608
    return unchanged(report_of(rows[0])) if counted.fetchone() == (rows[0]["rows_loaded"],) else None


def last_rows(connection: duckdb.DuckDBPyConnection, where: str, values: dict[str, str]) -> list[dict[str, Any]]:
    """The row of each month's last load among those that ``where`` names."""
    existing = existing_columns(connection, LEDGER_TABLE)
    if not existing:
        return []
    columns = [column.name for column in LEDGER if column.name in existing]
    found = connection.execute(
        f"select {', '.join(columns)} from {SCHEMA}.{LEDGER_TABLE} where {where} "  # noqa: S608
        "qualify row_number() over (partition by month order by load_id desc) = 1 order by month",
        values,
    )
    return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]


def enter_load(connection: duckdb.DuckDBPyConnection, load: WarehouseLoad, report: LoadReport) -> None:
    """Add the load's row."""
    where = "dataset = ? and month = ?"
    last = connection.execute(
        f"select coalesce(max(load_id), 0) from {SCHEMA}.{LEDGER_TABLE} where {where}",  # noqa: S608
        [report.dataset, report.month],
    ).fetchone()
    row = ledger_row(load, report, (last or (0,))[0] + 1, datetime.now(UTC))
    values = [json.dumps(row[column.name]) if column.duckdb == "JSON" else row[column.name] for column in LEDGER]
    names = ", ".join(column.name for column in LEDGER)
    marks = ", ".join("?" for _ in LEDGER)
    connection.execute(f"insert into {SCHEMA}.{LEDGER_TABLE} ({names}) values ({marks})", values)  # noqa: S608
