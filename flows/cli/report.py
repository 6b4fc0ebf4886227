"""``report``: the models as ten charts on one page."""

from __future__ import annotations

import shutil
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from flows import parameters
from flows.cli import options
from flows.cli.run import before_prefect, run_flow
from flows.cli.terminal import answering
from flows.decide.models import ModelsTarget

Target = Annotated[ModelsTarget, typer.Option("--target", "-t", help=options.help_of(parameters.DrawnTargetName))]
FirstDrawnMonth = Annotated[str | None, options.month_option(parameters.FirstDrawnMonth)]
LastDrawnMonth = Annotated[str | None, options.month_option(parameters.LastDrawnMonth)]
Output = Annotated[
    Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Copy the page to this file.", show_default=False)
]
Open = Annotated[bool, typer.Option("--open", help="Open the page in the browser.")]


def report(
    target: Target = "postgres",
    start_month: FirstDrawnMonth = None,
    end_month: LastDrawnMonth = None,
    output: Output = None,
    open_page: Open = False,
    as_json: options.AsJson = False,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """Draw the models as ten charts on one HTML page, which needs no internet, and say where the page is.

    It is below the folder TLC_LOCAL_DIR. Runs the flow report; build_models comes first.
    """
    with answering(as_json=as_json, verbose=verbose, debug=debug) as terminal:
        before_prefect(terminal)
        from flows.report import report as flow  # noqa: PLC0415 - Prefect takes two seconds

        written, _ = run_flow(terminal, flow, locals())
        page = Path(written.page)
        if output:
            page = Path(shutil.copyfile(page, output)).absolute()
        terminal.answer(written.model_dump(mode="json") | {"page": str(page)})
        terminal.show(str(page))
        if open_page and not webbrowser.open(page.as_uri()):
            terminal.note("No browser was found: open the file yourself.")
