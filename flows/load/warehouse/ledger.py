"""Rows of the ledger ``tlc.loads`` of a warehouse, the same for both backends."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from flows.decide.plan import LoadedMonth
from flows.load.warehouse.protocol import WarehouseLoad
from flows.tlc.report import LoadReport


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


def loaded_months_of(rows: Iterable[Mapping[str, Any]], counted: Mapping[str, int]) -> dict[str, LoadedMonth]:
    """The loads that ``rows`` of the ledger speak of, by month; ``counted`` has the rows of each month's partition."""
    return {
        row["month"]: LoadedMonth(
            report_of(row),
            row["content_key"],
            row["loaded_at"],
            is_intact=counted.get(row["month"], 0) == row["rows_loaded"],
        )
        for row in rows
    }
