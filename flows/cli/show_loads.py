"""The results of loads, on the terminal."""

from __future__ import annotations

from typing import Any

from flows.cli.tables import table_of
from flows.cli.terminal import Terminal
from flows.decide.outcome import BackfillReport, MonthOutcome, SyncReport, TargetOutcome
from flows.ui.months import backfill_sentence, outcome_rows, sync_sentence

_NUMBERS = ("rows", "read", "loaded", "rejected", "flagged", "seconds")


def show_month(terminal: Terminal, outcome: MonthOutcome) -> None:
    """One month in its targets, and what is odd about its rows."""
    title = f"{outcome.dataset} {outcome.month}"
    terminal.show(table_of([_target_row(leg) for leg in outcome.legs], numbers=_NUMBERS, title=title))
    rules = outcome.reports[0] if outcome.reports else None
    for word, counts in (("rejected", rules.rejected_by_rule), ("flagged", rules.flagged_by_rule)) if rules else ():
        if counts:
            terminal.show(f"{word}: " + ", ".join(f"{rule} {rows:,}" for rule, rows in counts.items()))
    if rules and rules.warning:
        terminal.note(f"{title}: {rules.warning}.")
    if "not_published" in outcome.statuses.values():
        terminal.note(_why_not_published(outcome))
    terminal.answer(outcome.model_dump(mode="json"))


def show_backfill(terminal: Terminal, report: BackfillReport) -> None:
    """Every month and what became of it."""
    terminal.show(table_of(outcome_rows(report.months), numbers=_NUMBERS), backfill_sentence(report))
    terminal.answer(report.model_dump(mode="json"))


def show_sync(terminal: Terminal, report: SyncReport) -> None:
    """The months that were looked at, and what is not out yet."""
    if report.months:
        terminal.show(table_of(outcome_rows(report.months), numbers=_NUMBERS))
    terminal.show(sync_sentence(report))
    terminal.answer(report.model_dump(mode="json"))


def _target_row(leg: TargetOutcome) -> dict[str, Any]:
    row: dict[str, Any] = {"target": leg.target, "status": leg.status}
    if leg.report is not None and leg.status in ("loaded", "unchanged"):
        row |= {
            "read": leg.report.rows_read,
            "loaded": leg.report.rows_loaded,
            "rejected": leg.report.rows_rejected,
            "flagged": leg.report.rows_flagged,
            "seconds": leg.report.seconds,
        }
    return row


def _why_not_published(outcome: MonthOutcome) -> str:
    waiting = [report for report in outcome.reports if report.status == "not_published"]
    if all(report.target == "bigquery" for report in waiting):
        return f"The lake does not have {outcome.dataset} {outcome.month}: load it there first, with --target gcs."
    return f"{outcome.dataset} {outcome.month} is not published yet: {waiting[0].source_url} is not there."
