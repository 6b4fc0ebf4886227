"""``load``, ``backfill`` and ``sync``: the commands that load."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from flows import parameters
from flows.cli import options
from flows.cli.exit_codes import ExitCode
from flows.cli.run import before_prefect, run_flow
from flows.cli.terminal import Terminal, answering
from flows.tlc.dataset import Dataset, Source
from flows.tlc.errors import TripLoadError
from flows.tlc.month import newest_month
from flows.tlc.report import TARGETS

FromMonth = Annotated[str | None, options.month_option(parameters.FromMonth)]
RecheckMonths = Annotated[int, typer.Option(min=0, help=options.help_of(parameters.RecheckMonths))]
RunOn = Annotated[parameters.RunOn, typer.Option(help=options.help_of(parameters.RunOnChoice))]
RunOnWorkers = Annotated[parameters.WorkersRunOn, typer.Option(help=options.help_of(parameters.RunOnWorkers))]


def load(
    dataset: options.DatasetArgument,
    month: options.MonthArgument = None,
    targets: options.Targets = list(TARGETS),  # noqa: B006 - never changed
    source: options.FromSource = Source.tlc,
    layout: options.LayoutOption = "both",
    drop_rules: options.DropRules = [],  # noqa: B006 - never changed
    force: options.Force = False,
    new_columns: options.NewColumns = "fail",
    as_json: options.AsJson = False,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """Load one month into Postgres, the lake and the warehouse, or into some of them.

    A month that is there already, from this very file, is left as it is. Runs the flow load-month.
    """
    with answering(as_json=as_json, verbose=verbose, debug=debug) as terminal:
        month = month or str(newest_month(datetime.now(UTC)))
        parameters.month_request(dataset, month, source, drop_rules, new_columns)
        before_prefect(terminal)
        from flows import load_month  # noqa: PLC0415 - seconds that only this command needs
        from flows.cli.show_loads import show_month  # noqa: PLC0415

        outcome, error = run_flow(terminal, load_month, locals())
        show_month(terminal, outcome)
        _end(terminal, error, nothing_out="not_published" in outcome.statuses.values())


def backfill(
    dataset: options.DatasetArgument,
    start_month: options.StartMonth = None,
    end_month: options.EndMonth = None,
    targets: options.Targets = list(TARGETS),  # noqa: B006 - never changed
    source: options.FromSource = Source.tlc,
    max_parallel: options.MaxParallel = None,
    force: options.Force = False,
    run_on: RunOn = "here",
    layout: options.LayoutOption = "both",
    drop_rules: options.DropRules = [],  # noqa: B006 - never changed
    new_columns: options.NewColumns = "fail",
    dask_address: options.DaskAddress = None,
    models: options.BuildModels = False,
    as_json: options.AsJson = False,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """Load a range of months: whatever is missing in the targets, or is another version than the source's.

    Run it again to resume; a month that fails stops no other. To see what it would do: plan. Runs the flow backfill.
    """
    with answering(as_json=as_json, verbose=verbose, debug=debug) as terminal:
        parameters.month_range(dataset, source, start_month, end_month, datetime.now(UTC))
        before_prefect(terminal)
        from flows.backfill import backfill as flow  # noqa: PLC0415 - seconds that only this command needs
        from flows.cli.show_loads import show_backfill  # noqa: PLC0415

        report, error = run_flow(terminal, flow, locals())
        show_backfill(terminal, report)
        _end(terminal, error, nothing_out=not report.has_any)


def sync(
    datasets: options.DatasetArguments = None,
    targets: options.Targets = list(TARGETS),  # noqa: B006 - never changed
    start_month: FromMonth = None,
    recheck_months: RecheckMonths = 24,
    max_parallel: options.MaxParallel = None,
    run_on: RunOnWorkers = "here",
    models: options.BuildModels = False,
    as_json: options.AsJson = False,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """Load what is new at TLC's site: months that have come out, and loaded ones that were published again.

    Made to run every day: if nothing is new it takes seconds. Runs the flow sync-new-months.
    """
    with answering(as_json=as_json, verbose=verbose, debug=debug) as terminal:
        datasets = datasets or list(Dataset)
        before_prefect(terminal)
        from flows import sync_new_months  # noqa: PLC0415 - seconds that only this command needs
        from flows.cli.show_loads import show_sync  # noqa: PLC0415

        report, error = run_flow(terminal, sync_new_months, locals())
        show_sync(terminal, report)
        _end(terminal, error)


def _end(terminal: Terminal, error: TripLoadError | None, *, nothing_out: bool = False) -> None:
    if error is not None:
        terminal.fail(str(error))
        raise typer.Exit(ExitCode.failed)
    if nothing_out:
        raise typer.Exit(ExitCode.not_published)
