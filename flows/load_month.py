"""One month into any targets: what a backfill submits to a work pool, and what a form is filled in for most often."""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.runtime import flow_run

from flows.decide.outcome import MonthOutcome
from flows.many_months.targets import LoadOptions, load_targets
from flows.many_months.work_pool import month_slot
from flows.parameters import (
    DatasetName,
    DropRules,
    Force,
    LayoutChoice,
    NewColumnsChoice,
    NewestMonthName,
    SourceName,
    TargetNames,
    month_request,
)
from flows.tasks.policy import with_month_context
from flows.tlc.dataset import Source
from flows.tlc.errors import MonthsFailed
from flows.tlc.month import newest_month
from flows.tlc.report import TARGETS
from flows.ui.later import showing_later
from flows.ui.months import publish_month


def _run_name() -> str:
    given = flow_run.get_parameters()
    return f"{given['dataset']} {given.get('month') or _newest()} → {', '.join(given['targets'])}"


def _newest() -> str:
    scheduled: datetime = flow_run.get_scheduled_start_time()
    return str(newest_month(scheduled))


@flow(
    name="load-month",
    flow_run_name=_run_name,
    timeout_seconds=12 * 3600,  # twice that of one target: the warehouse takes minutes
    persist_result=False,
)
def load_month(
    dataset: DatasetName,
    month: NewestMonthName = None,
    targets: TargetNames = list(TARGETS),  # noqa: B006 - never changed; the UI's form shows it as a list
    source: SourceName = Source.tlc,
    layout: LayoutChoice = "both",
    drop_rules: DropRules = [],  # noqa: B006 - never changed
    force: Force = False,
    new_columns: NewColumnsChoice = "fail",
) -> MonthOutcome:
    """Load one month of trips into several targets: Postgres, the lake, and from there the warehouse.

    It does what `api_to_postgres`, `api_to_gcs` and `gcs_to_bigquery` do, in this order, with one download. A target
    that fails does not stop the others; the run fails if any of them did, and says what to do.

    Requires: the blocks of the targets and of the source (`python -m blocks.register`).
    """
    request = month_request(dataset, month or _newest(), source, drop_rules, new_columns)
    with with_month_context(request), showing_later(), month_slot():
        outcome = load_targets(request, LoadOptions(tuple(targets), layout, force))
    publish_month(outcome)
    if outcome.failed:
        raise MonthsFailed(
            f"{outcome.sentence} Run it again when that is mended: it loads only what is missing.",
            report=outcome,
            dataset=outcome.dataset,
            month=outcome.month,
        )
    return outcome
