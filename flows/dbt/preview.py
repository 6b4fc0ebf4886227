"""A model's first rows and their number, without building it. Imported by dbt's own process alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from dbt.cli.main import dbtRunner

from flows.dbt.project import PROJECT
from flows.dbt.request import DbtAnswer

_ROWS = 10


def preview_model(name: str, target_path: str) -> DbtAnswer:
    """Make the views that the model reads, and run its query twice: for its first rows, and for their number."""
    common = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target-path", target_path]
    common += ["--log-path", f"{target_path}/logs", "--log-level", "none"]
    _invoke(["run", "--select", f"+{name},config.materialized:view", "--exclude", name, *common])
    model = ["--select", name, "--indirect-selection", "empty"]  # without its tests
    shown = _invoke(["show", *model, "--limit", str(_ROWS), *common])
    compiled = _invoke(["compile", *model, *common])  # what was shown has a limit in it
    query = f"select count(*) as found from ({compiled.node.compiled_code}) as previewed"  # noqa: S608 - the model's own
    counted = _invoke(["show", "--inline", query, "--limit", "-1", *common])
    (found,) = _rows(counted.agate_table)
    return DbtAnswer(rows=int(found["found"]), preview=_rows(shown.agate_table))


def _invoke(arguments: list[str]) -> Any:
    """The result of the one node, or of the last one. Raises RuntimeError with what dbt says if it failed."""
    found: Any = dbtRunner().invoke(arguments)  # dbt's own classes have no types
    if not found.success:
        failed = [one for one in (found.result.results if found.result else []) if str(one.status) in ("error", "fail")]
        said = [found.exception] if found.exception else [one.message for one in failed]
        raise RuntimeError(" ".join(str(said[0] if said else "no reason was given").split()))
    return found.result.results[-1] if found.result.results else None


def _rows(table: Any) -> list[dict[str, Any]]:
    return [dict(zip(table.column_names, map(_plain, row.values()), strict=True)) for row in table.rows]


def _plain(value: Any) -> Any:
    """A value as JSON has it: numbers as such, dates and times as texts."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
