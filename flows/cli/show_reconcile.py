"""What a reconciliation has found, on the terminal."""

from __future__ import annotations

from flows.cli.tables import table_of
from flows.cli.terminal import Terminal
from flows.decide.reconcile.result import ReconcileReport
from flows.tlc.report import TARGETS
from flows.ui.reconcile import comparison_rows

_NUMBERS = ("source", *TARGETS, "sum of totals", "sum of distances")


def show_reconciliation(terminal: Terminal, report: ReconcileReport) -> None:
    """A row a month, and if all are equal a sentence; the error says what differs."""
    rows = [{name: value for name, value in row.items() if value != ""} for row in comparison_rows(report)]
    terminal.show(table_of(rows, numbers=_NUMBERS, title=report.dataset))
    if not report.differing:
        terminal.show(report.sentence)
    terminal.answer(report.model_dump(mode="json"))
