"""The commands, and the program that they make."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from flows.cli.exit_codes import MEANING
from flows.cli.external_tables import external_tables
from flows.cli.load import backfill, load, sync
from flows.cli.look import plan, status
from flows.cli.models import models
from flows.cli.preview import preview
from flows.cli.query import export, query
from flows.cli.reconcile import reconcile
from flows.cli.report import report
from flows.cli.step import step

PROGRAM = "python -m flows"

app = typer.Typer(
    name=PROGRAM,
    help="New York's taxi trips in your own database, lake and warehouse: look at a month, load it, keep all complete.",
    epilog="Exit codes: " + " ".join(f"{code.value}: {meaning}" for code, meaning in MEANING.items()),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 110},
)
for command in (preview, load, backfill, plan, status, sync, reconcile, external_tables, query, export, report, step):
    app.command()(command)
app.add_typer(models, name="models")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name (by default the process's), and end the process with its exit code."""
    app(arguments, prog_name=PROGRAM)
