"""``plan`` and ``status``: what there is to do, and what is there. Both only read, and run no flow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from blocks.names import LAKE, MIRROR_SOURCE, POSTGRES, TLC_SOURCE, WAREHOUSE
from flows import parameters
from flows.cli import options
from flows.cli.run import blocks_read
from flows.cli.terminal import answering
from flows.decide.plan import and_followed, plans_of
from flows.tlc.dataset import Dataset, Source
from flows.tlc.report import TARGETS

_TARGET_BLOCKS = (POSTGRES, LAKE, WAREHOUSE)
_SOURCE_BLOCKS = (TLC_SOURCE, MIRROR_SOURCE)

Offline = Annotated[bool, typer.Option("--offline", help="Do not ask the source: nothing is compared with it.")]
OnlyFrom = Annotated[str | None, options.month_option_saying("Show no month before this one.")]
OnlyTo = Annotated[str | None, options.month_option_saying("Show no month after this one.")]


def plan(
    dataset: options.DatasetArgument,
    start_month: options.StartMonth = None,
    end_month: options.EndMonth = None,
    targets: options.Targets = list(TARGETS),  # noqa: B006 - never changed
    source: options.FromSource = Source.tlc,
    force: options.Force = False,
    layout: options.LayoutOption = "both",
    drop_rules: options.DropRules = [],  # noqa: B006 - never changed
    new_columns: options.NewColumns = "fail",
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Say what backfill would do: which months there are, which are unchanged, what there is to load.

    Asks the source with one HEAD request a month, and the targets' ledgers; changes nothing, and needs no Prefect
    server: if PREFECT_API_URL is not set, a block that was never saved is made from the environment.
    """
    with answering(as_json=as_json, debug=debug) as terminal:
        months = parameters.month_range(dataset, source, start_month, end_month, datetime.now(UTC))
        requests = [parameters.month_request(dataset, month, source, drop_rules, new_columns) for month in months]
        chosen = options.chosen_targets(targets)
        with blocks_read(terminal, *_TARGET_BLOCKS, *_SOURCE_BLOCKS):
            from flows.cli.tables import table_of  # noqa: PLC0415
            from flows.tasks.plan import loaded_months, versions_at_source  # noqa: PLC0415
            from flows.ui.months import plan_rows, plan_sentence  # noqa: PLC0415 - Prefect takes two seconds

            with terminal.waiting("Reading what the targets have …"):
                ledgers = loaded_months(dataset, and_followed(chosen))
            with terminal.waiting("Asking the source …"):
                at_source = versions_at_source(dataset, source, [request.month for request in requests])
        plans = plans_of(requests, chosen, ledgers, at_source, layouts=parameters.layouts_of(layout), force=force)
        terminal.show(table_of(plan_rows(plans), numbers=("MB at source", "rows expected")), plan_sentence(plans))
        terminal.answer(
            {
                "dataset": dataset,
                "sentence": plan_sentence(plans),
                "months": [
                    {
                        "month": str(plan.request.month),
                        "published": plan.at_source is not None,
                        "rows_expected": plan.rows,
                        "bytes": plan.bytes,
                        "actions": dict(plan.actions),
                    }
                    for plan in plans
                ],
            }
        )


def status(
    datasets: options.DatasetArguments = None,
    targets: options.Targets = list(TARGETS),  # noqa: B006 - never changed
    start_month: OnlyFrom = None,
    end_month: OnlyTo = None,
    offline: Offline = False,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Say what is loaded where: rows, when, and whether the source still has that version of the month.

    Reads the targets' ledgers and asks the source with one HEAD request a month; changes nothing, and needs no Prefect
    server: if PREFECT_API_URL is not set, a block that was never saved is made from the environment.
    """
    with answering(as_json=as_json, debug=debug) as terminal:
        chosen = options.chosen_targets(targets)
        with blocks_read(terminal, *_TARGET_BLOCKS, *(() if offline else _SOURCE_BLOCKS)):
            from flows.cli.compared import compared_loads  # noqa: PLC0415 - Prefect takes two seconds
            from flows.cli.show_status import show_status  # noqa: PLC0415

            with terminal.waiting("Reading what the targets have, and asking the source …"):
                between = (start_month, end_month)
                months = compared_loads(datasets or list(Dataset), chosen, between=between, ask=not offline)
        show_status(terminal, months)
