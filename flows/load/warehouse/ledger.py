"""The ledger ``tlc.loads`` of a warehouse: its columns, once for both backends, and its rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flows.decide.plan import LoadedMonth
from flows.load.warehouse.protocol import WarehouseLoad
from flows.tlc.report import LoadReport


@dataclass(frozen=True)
class LedgerColumn:
    """A column of ``tlc.loads``, by its type in each warehouse."""

    name: str
    bigquery: str
    duckdb: str
    description: str
    required: bool = True


# The same as in Postgres; load_id counts the loads of a dataset's month.
LEDGER = (
    LedgerColumn("load_id", "INT64", "BIGINT", "Number of the load among those of the month; the highest one stands."),
    LedgerColumn("dataset", "STRING", "VARCHAR", "yellow, green, fhv or fhvhv."),
    LedgerColumn("month", "STRING", "VARCHAR", "The file's month, YYYY-MM."),
    LedgerColumn("target", "STRING", "VARCHAR", "The leg: always bigquery, whichever warehouse this is."),
    LedgerColumn("source_url", "STRING", "VARCHAR", "The file at the source."),
    LedgerColumn("source_etag", "STRING", "VARCHAR", "The file's version at the source.", required=False),
    LedgerColumn("rows_read", "INT64", "BIGINT", "Rows of the file."),
    LedgerColumn("rows_loaded", "INT64", "BIGINT", "Rows of the file that are in the table."),
    LedgerColumn(
        "rows_rejected", "INT64", "BIGINT", "Rows of the file that are not, kept in the lake below rejected/."
    ),
    LedgerColumn("rejected_by_rule", "JSON", "JSON", "Rejected rows, by the rule that rejected them."),
    LedgerColumn("rows_flagged", "INT64", "BIGINT", "Loaded rows that break at least one rule."),
    LedgerColumn("flagged_by_rule", "JSON", "JSON", "Loaded rows, by each rule that they break."),
    LedgerColumn("bytes_read", "INT64", "BIGINT", "Bytes of trip data that passed through the client: none."),
    LedgerColumn("seconds", "FLOAT64", "DOUBLE", "How long the load took. Unit: seconds."),
    LedgerColumn("status", "STRING", "VARCHAR", "Always loaded: what changes nothing is not entered."),
    LedgerColumn("content_key", "STRING", "VARCHAR", "Equal for two loads that put the same rows into the table."),
    LedgerColumn("conform_version", "STRING", "VARCHAR", "The version of the schema and rules that made the rows."),
    LedgerColumn("flow_run_id", "STRING", "VARCHAR", "The Prefect flow run that loaded.", required=False),
    LedgerColumn("started_at", "TIMESTAMP", "TIMESTAMPTZ", "When the load began."),
    LedgerColumn("loaded_at", "TIMESTAMP", "TIMESTAMPTZ", "When the rows were in the table."),
    LedgerColumn("source", "STRING", "VARCHAR", "tlc or mirror: where the lake's file came from.", required=False),
    LedgerColumn("drop_rules", "JSON", "JSON", "Rules whose rows the lake was to leave out.", required=False),
    LedgerColumn("new_columns", "STRING", "VARCHAR", "What was to become of undeclared columns.", required=False),
)
LEDGER_TABLE = "loads"
LEDGER_COMMENT = "One row a load: what was read, loaded, rejected and flagged. Never changed."


def ledger_row(load: WarehouseLoad, report: LoadReport, load_id: int, loaded_at: datetime) -> dict[str, Any]:
    """The load's row, by the names of LEDGER."""
    return report.model_dump() | {
        "load_id": load_id,
        "content_key": load.content_key,
        "conform_version": load.manifest.conform_version,
        "flow_run_id": load.flow_run_id,
        "started_at": load.started_at,
        "loaded_at": loaded_at,
    }


def report_of(row: Mapping[str, Any]) -> LoadReport:
    """The report that a row of the ledger holds; its JSON columns are texts or already parsed.

    A table that no load has widened yet lacks the newest columns.
    """
    values = {name: row[name] for name in LoadReport.model_fields if name in row}
    for name in ("rejected_by_rule", "flagged_by_rule", "drop_rules"):
        if isinstance(values.get(name), str):
            values[name] = json.loads(values[name])
    return LoadReport(**values)


def standing_of(rows: Iterable[Mapping[str, Any]], counted: Mapping[str, int]) -> dict[str, LoadedMonth]:
    """The loads that ``rows`` of the ledger speak of, by month; ``counted`` has the rows of each month's partition."""
    return {
        row["month"]: LoadedMonth(
            report_of(row),
            row["content_key"],
            row["loaded_at"],
            is_whole=counted.get(row["month"], 0) == row["rows_loaded"],
        )
        for row in rows
    }


def unchanged(report: LoadReport) -> LoadReport:
    """The report of a run that found this load standing and did nothing."""
    return report.model_copy(update={"status": "unchanged", "bytes_read": 0, "seconds": 0.0})
