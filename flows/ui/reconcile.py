"""The artifacts of a reconciliation, and what it tells other systems if something differs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from blocks.events import RECONCILE_DIFFERS
from flows.decide.reconcile.result import MonthComparison, ReconcileReport
from flows.tlc.report import Target
from flows.tlc.totals import Totals
from flows.tlc.visible import in_markdown
from flows.ui.artifacts import show_markdown, show_table
from flows.ui.report import best_effort

_DIFFERS = "differs"


@task(name="publish-reconciliation", cache_policy=NO_CACHE, persist_result=False)
def publish_reconciliation(report: ReconcileReport) -> None:
    """A table with a row a month and a summary in words; an event if anything differs."""
    key = f"reconcile-{report.dataset}"
    with best_effort("The comparison is not shown in the UI"):
        show_table(comparison_rows(report), months_key(report.dataset), f"{report.dataset}: {report.sentence}")
        show_markdown(_summary(report), key, f"{report.dataset} in all places")
    log = get_run_logger()
    if not report.differing:
        log.info("%s: %s", report.dataset, report.sentence)
        return
    log.error("%s: %s", report.dataset, report.sentence)
    emit_event(
        RECONCILE_DIFFERS,
        resource={"prefect.resource.id": f"tlc.dataset.{report.dataset}", "prefect.resource.name": report.dataset},
        payload={
            "dataset": report.dataset,
            "months": [month.month for month in report.differing],
            "targets": sorted({found.target for month in report.differing for found in month.differences}),
            "sentence": f"{report.dataset}: {report.sentence}",
        },
    )


def months_key(dataset: str) -> str:
    """The key of the table artifact that a dataset's reconciliation leaves."""
    return f"reconcile-{dataset}-months"


def count_differing(table: str) -> tuple[int, int]:
    """How many months such a table has, given as the artifact's JSON, and how many of them differ."""
    months = json.loads(table)
    return len(months), sum(month[""] == _DIFFERS for month in months)


def comparison_rows(report: ReconcileReport) -> list[dict[str, Any]]:
    """The comparison as people read it: a row a month, a column a place, then the sums that they were compared with."""
    return [_row(month, report.targets) for month in report.months]


def _row(month: MonthComparison, targets: list[Target]) -> dict[str, Any]:
    known = month.reference
    return {
        "month": month.month,
        "": _DIFFERS if month.differences else "equal",
        "source": "" if month.source_rows is None else f"{month.source_rows:,}",
        **{target: _rows_in(target, month.places) for target in targets},
        "sum of totals": _number(known.amounts if known else None),
        "sum of distances": _number(known.distances if known else None),
        "first pickup": str(known.first_pickup or "") if known else "",
        "last pickup": str(known.last_pickup or "") if known else "",
        "what differs": month.sentence,
        "notes": "; ".join(month.notes),
    }


def _rows_in(target: Target, places: Mapping[str, Totals | None]) -> str:
    """The rows of a target; of each of the lake's layouts if they differ."""
    counts = [totals.rows if totals else None for name, totals in places.items() if name.split()[0] == target]
    return " / ".join(dict.fromkeys("none" if rows is None else f"{rows:,}" for rows in counts))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}"


def _summary(report: ReconcileReport) -> str:
    months = f"{report.start_month}..{report.end_month}: {_outcome(report)}" if report.months else "has no month"
    lines = [f"## {report.dataset} {months}", "", in_markdown(report.sentence)]
    for month in report.differing:
        lines += ["", f"**{month.month}**", ""]
        lines += [
            f"- {difference.place} ({difference.kind}): {in_markdown(difference.sentence)}"
            for difference in month.differences
        ]
    notes = [f"- {month.month}: {in_markdown(note)}" for month in report.months for note in month.notes]
    if notes:
        lines += ["", "Worth knowing, and no difference:", "", *notes]
    return "\n".join(lines) + "\n"


def _outcome(report: ReconcileReport) -> str:
    return f"{len(report.differing)} of {len(report.months)} months differ" if report.differing else "equal"
