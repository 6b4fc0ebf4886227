"""Any range of months of a dataset into any targets: planned first, a few at a time, resumed by running it again."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import flow
from prefect.runtime import flow_run
from prefect.states import Cancelled

from flows.decide.outcome import BackfillReport, failure_sentence, outcomes_of
from flows.many_months.models import build_after_load
from flows.many_months.runner import MonthRunner, load_all, months_at_once
from flows.many_months.targets import LoadOptions
from flows.parameters import (
    BuildModels,
    DaskAddress,
    DatasetName,
    DropRules,
    FirstMonth,
    Force,
    LastMonth,
    LayoutChoice,
    MaxParallel,
    NewColumnsChoice,
    PlanOnly,
    RunOnChoice,
    SourceName,
    TargetNames,
    layouts_of,
    month_range,
    month_request,
)
from flows.tasks.models import check_dbt
from flows.tasks.plan import plan_months
from flows.tasks.policy import with_context
from flows.tlc.dataset import Source
from flows.tlc.errors import ModelsFailed, MonthsFailed
from flows.tlc.report import TARGETS
from flows.ui.cancellation import STOPPED, LoadStopped
from flows.ui.months import plan_rows, publish_backfill, publish_plan


def _run_name() -> str:
    given = flow_run.get_parameters()
    span = f"{given.get('start_month') or ''}..{given.get('end_month') or ''}".strip(".") or "the last year"
    planning = " (plan)" if given.get("plan_only") else ""
    return f"backfill {given['dataset']} {span} → {', '.join(given['targets'])}{planning}"


@flow(
    name="backfill",
    flow_run_name=_run_name,
    timeout_seconds=14 * 24 * 3600,  # all of yellow over a slow line; it is resumed by running it again
    persist_result=False,
)
def backfill(
    dataset: DatasetName,
    start_month: FirstMonth = None,
    end_month: LastMonth = None,
    targets: TargetNames = list(TARGETS),  # noqa: B006 - never changed; the UI's form shows it as a list
    source: SourceName = Source.tlc,
    max_parallel: MaxParallel = None,
    force: Force = False,
    run_on: RunOnChoice = "here",
    plan_only: PlanOnly = False,
    layout: LayoutChoice = "both",
    drop_rules: DropRules = [],  # noqa: B006 - never changed
    new_columns: NewColumnsChoice = "fail",
    dask_address: DaskAddress = None,
    models: BuildModels = False,
) -> BackfillReport:
    """Load a range of months into any targets: whatever is missing there, or is another version than the source's.

    Plans first, and shows the plan: which months there are, which are unchanged, what there is to load. Then loads
    at most `max_parallel` months at once. A month that fails stops no other; the run fails at the end if any did, and
    its table names every month and its outcome. Run it again to resume: it loads only what is missing. Cancel it at
    any time: every month is as it was, or loaded.

    Requires: the blocks of the targets and of the source (`python -m blocks.register`); for `run_on=work_pool` the
    deployments (`prefect deploy --all`) and a worker.
    """
    started_at = datetime.now(UTC)
    months = month_range(dataset, source, start_month, end_month, flow_run.get_scheduled_start_time())
    requests = [month_request(dataset, month, source, drop_rules, new_columns) for month in months]
    options = LoadOptions(tuple(targets), layout, force)
    runner = MonthRunner(run_on, max_parallel or months_at_once(run_on, options.targets), dask_address)
    key = f"backfill-{requests[0].dataset}"
    with with_context(str(requests[0].dataset)):
        plans = plan_months(requests, options.targets, layouts=layouts_of(layout), force=force)
    publish_plan(plans, key)
    report = BackfillReport(
        dataset=str(requests[0].dataset),
        start_month=months[0],
        end_month=months[-1],
        targets=list(options.targets),
        plan_only=plan_only,
        plan=plan_rows(plans),
    )
    if plan_only:
        return report
    if models:
        check_dbt()
    try:
        with with_context(report.dataset):
            loaded = load_all(plans, options, runner)
    except LoadStopped:  # without its worker, which would have said so
        return Cancelled(message=STOPPED)  # type: ignore[return-value] # to Prefect, the run's end
    report.months = outcomes_of(plans, loaded)
    report.models = build_after_load(options.targets) if models else []
    report.seconds = round((datetime.now(UTC) - started_at).total_seconds(), 3)
    publish_backfill(report, key)
    if report.failed:
        told = failure_sentence(report.failed, len(report.months))
        raise MonthsFailed(f"{told} {report.models_sentence}".strip(), report=report)
    if report.models_sentence:
        raise ModelsFailed(report.models_sentence, report=report)
    return report
