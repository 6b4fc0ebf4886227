"""``reconcile``: are the months the same in all places?"""

from __future__ import annotations

from typing import Annotated

import typer

from flows import parameters
from flows.cli import options
from flows.cli.exit_codes import ExitCode
from flows.cli.run import before_prefect, run_flow
from flows.cli.terminal import answering
from flows.decide.reconcile.observed import CheckSource
from flows.tlc.report import TARGETS

FirstLoadedMonth = Annotated[str | None, options.month_option(parameters.FirstLoadedMonth)]
LastLoadedMonth = Annotated[str | None, options.month_option(parameters.LastLoadedMonth)]
ComparedTargets = Annotated[
    list[str],
    typer.Option(
        "--target",
        "-t",
        help=f"{options.help_of(parameters.ComparedTargets)} Give it once for each of several.",
        metavar="|".join(TARGETS),
        callback=options.known_targets,
        show_default=False,
    ),
]
CheckSourceOption = Annotated[CheckSource, typer.Option(help=options.help_of(parameters.CheckSourceChoice))]


def reconcile(
    dataset: options.DatasetArgument,
    start_month: FirstLoadedMonth = None,
    end_month: LastLoadedMonth = None,
    targets: ComparedTargets = [],  # noqa: B006 - never changed
    check_source: CheckSourceOption = "rows",
    as_json: options.AsJson = False,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """Compare each month at the source, in Postgres, the lake and the warehouse: rows, sums, first and last pickup.

    Changes nothing. If anything differs it says what, and what to do. Runs the flow reconcile.
    """
    with answering(as_json=as_json, verbose=verbose, debug=debug) as terminal:
        before_prefect(terminal)
        from flows.cli.show_reconcile import show_reconciliation  # noqa: PLC0415 - Prefect takes two seconds
        from flows.reconcile import reconcile as flow  # noqa: PLC0415

        report, error = run_flow(terminal, flow, locals())
        show_reconciliation(terminal, report)
        if error is not None:
            terminal.fail(str(error))
            raise typer.Exit(ExitCode.differs)
