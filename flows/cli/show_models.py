"""What building or previewing models came to, on the terminal."""

from __future__ import annotations

from flows.cli.tables import table_of
from flows.cli.terminal import Terminal
from flows.dbt.request import DbtAnswer
from flows.decide.models import ModelsReport
from flows.ui.models import model_rows


def show_models(terminal: Terminal, report: ModelsReport) -> None:
    """A row a model, and the outcome in a sentence."""
    if report.nodes:
        terminal.show(table_of(model_rows(report), numbers=("seconds", "tests", "failed")))
    terminal.show(report.sentence)
    terminal.answer(report.model_dump(mode="json"))


def show_preview(terminal: Terminal, name: str, answer: DbtAnswer) -> None:
    """The first rows, and how many there are."""
    numbers = [key for key, value in (answer.preview[0] if answer.preview else {}).items() if _is_number(value)]
    terminal.show(table_of(answer.preview, numbers=numbers, title=name), f"{answer.rows:,} rows")
    terminal.answer({"model": name, "rows": answer.rows, "preview": answer.preview})


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)
