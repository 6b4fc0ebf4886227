"""``step``: one file in SQL, Python or R."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from flows import parameters as of_flows
from flows.cli import options
from flows.cli.exit_codes import ExitCode
from flows.cli.run import before_prefect, run_flow
from flows.cli.terminal import Terminal, answering
from flows.decide.models import ModelsTarget
from flows.decide.step import FILE_PATTERN, PARAMETER_PATTERN, StepReport


def _file_name(text: str) -> str:
    """The name alone, also of the step's path; wrong usage if it is none of a step."""
    from blocks.settings import Settings  # noqa: PLC0415 - no help needs pydantic's settings

    path, folder = Path(text), Settings().steps_dir
    is_name = path.name == text or path.resolve().parent == folder.resolve()
    if not is_name or not re.match(FILE_PATTERN, path.name):
        raise typer.BadParameter(f"{text!r} is no file of {folder} that ends with .sql, .py or .R.")
    return path.name


def _values(given: list[str]) -> list[str]:
    for one in given:
        if not re.match(PARAMETER_PATTERN, one):
            raise typer.BadParameter(f"{one!r} is not as in dataset=yellow.")
    return given


File = Annotated[str, typer.Argument(help=options.help_of(of_flows.StepFile), metavar="FILE", callback=_file_name)]
Month = Annotated[
    str,
    typer.Argument(help=options.help_of(of_flows.MonthName), metavar="YYYY-MM", callback=options.checked_month),
]
Target = Annotated[ModelsTarget, typer.Option("--target", "-t", help=options.help_of(of_flows.StepTargetName))]
Parameters = Annotated[
    list[str],
    typer.Option(
        "--set",
        help="A value for a parameter that the step's header names. Give it once for each of several.",
        metavar="NAME=VALUE",
        callback=_values,
        show_default=False,
    ),
]


def step(
    file: File,
    month: Month,
    target: Target = "postgres",
    parameters: Parameters = [],  # noqa: B006 - never changed
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Run one step, and say where the files are that it wrote. Its lines go to stderr.

    Runs the flow run-step: docs/steps.md says how to write a step.
    """
    with answering(as_json=as_json, verbose=True, debug=debug) as terminal:
        before_prefect(terminal)
        from flows.run_step import run_step as flow  # noqa: PLC0415 - Prefect takes two seconds

        given = {"file": file, "month": month, "target": target, "parameters": parameters}
        report, error = run_flow(terminal, flow, given)
        _show(terminal, report)
        if error is not None:
            terminal.fail(str(error))
            raise typer.Exit(ExitCode.failed)


def _show(terminal: Terminal, report: StepReport) -> None:
    """The texts and the rows that it wrote, and where all of it is."""
    for path in report.paths:
        if path.suffix == ".md":
            terminal.show(path.read_text(encoding="utf-8", errors="replace"))
        elif path.suffix == ".parquet":
            import pyarrow as pa  # noqa: PLC0415 - a fifth of a second that no help needs
            import pyarrow.parquet as pq  # noqa: PLC0415

            from flows.cli.show_rows import show_rows  # noqa: PLC0415

            file = pq.ParquetFile(path)
            show_rows(terminal, pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches()), str(path))
    terminal.answer(report.model_dump(mode="json"))
    terminal.show(*map(str, report.paths))
