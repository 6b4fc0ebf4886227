"""A model's first rows and their number, without building it. Imported by dbt's own process alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flows.dbt.invoke import invoke
from flows.dbt.request import DbtAnswer

_ROWS = 10


def preview_model(name: str, target_path: str) -> DbtAnswer:
    """Make the views that the model reads, and run its query twice: for its first rows, and for their number."""
    invoke(["run", "--select", f"+{name},config.materialized:view", "--exclude", name], target_path)
    model = ["--select", name, "--indirect-selection", "empty"]  # without its tests
    shown = _last(invoke(["show", *model, "--limit", str(_ROWS)], target_path))
    compiled = _last(invoke(["compile", *model], target_path))  # what was shown has a limit in it
    query = f"select count(*) as found from ({compiled.node.compiled_code}) as previewed"  # noqa: S608 - the model's own
    counted = _last(invoke(["show", "--inline", query, "--limit", "-1"], target_path))
    (found,) = _rows(counted.agate_table)
    return DbtAnswer(rows=int(found["found"]), preview=_rows(shown.agate_table))


def _last(found: Any) -> Any:
    return found.results[-1]


def _rows(table: Any) -> list[dict[str, Any]]:
    return [dict(zip(table.column_names, map(_plain, row.values()), strict=True)) for row in table.rows]


def _plain(value: Any) -> Any:
    """A value as JSON has it: numbers as such, dates and times as texts."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
