"""Find the months that are new at TLC, or were published again, and load them: made to run every day."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import flow, get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelled

from flows.decide.new_months import first_not_out
from flows.decide.outcome import SyncReport, failure_sentence, outcomes_of
from flows.many_months.models import build_after_load
from flows.many_months.runner import MonthRunner, load_all, months_at_once
from flows.many_months.targets import LoadOptions
from flows.parameters import (
    BuildModels,
    DatasetNames,
    FromMonth,
    MaxParallel,
    RecheckMonths,
    RunOnWorkers,
    TargetNames,
)
from flows.tasks.models import check_dbt
from flows.tasks.plan import plan_new_months
from flows.tasks.policy import with_context
from flows.tlc.dataset import Dataset
from flows.tlc.errors import ModelsFailed, MonthsFailed, TripLoadError
from flows.tlc.month import Month, newest_month
from flows.tlc.report import TARGETS
from flows.ui.cancellation import STOPPED, LoadStopped
from flows.ui.events import watch_runs_again
from flows.ui.months import publish_plan, publish_sync, sync_sentence


@flow(
    name="sync-new-months",
    flow_run_name="sync new months",
    timeout_seconds=24 * 3600,  # the next day's run does what is left
    persist_result=False,
)
def sync_new_months(
    datasets: DatasetNames = list(Dataset),  # noqa: B006 - never changed; the UI's form shows it as a list
    targets: TargetNames = list(TARGETS),  # noqa: B006 - never changed
    start_month: FromMonth = None,
    recheck_months: RecheckMonths = 24,
    max_parallel: MaxParallel = None,
    run_on: RunOnWorkers = "here",
    models: BuildModels = False,
) -> SyncReport:
    """Load what is new at TLC's site: months that have come out, and loaded ones that TLC has published again.

    Asks with one HEAD request a month, few at a time, and downloads only what is to be loaded. Says which month is
    not out yet. Run it every day: if nothing is new it takes seconds. Each month that is loaded emits the event
    `tlc.month.loaded`, for automations.

    Requires: the blocks of the targets and `tlc-source` (`python -m blocks.register`).
    """
    started_at = datetime.now(UTC)
    watch_runs_again()  # here, since it runs daily
    newest = newest_month(flow_run.get_scheduled_start_time())
    start = Month.parse(start_month) if start_month else None
    options = LoadOptions(tuple(targets))
    runner = MonthRunner(run_on, max_parallel or months_at_once(run_on, options.targets))
    report = SyncReport(targets=list(options.targets), not_out_yet={})
    if models:
        check_dbt()
    for dataset in datasets:
        try:
            with with_context(str(dataset)):
                plans = plan_new_months(dataset, options.targets, start=start, newest=newest, recheck=recheck_months)
                publish_plan(plans, f"sync-{dataset}")
                report.months += outcomes_of(plans, load_all(plans, options, runner))
        except LoadStopped:  # without its worker, which would have said so
            return Cancelled(message=STOPPED)  # type: ignore[return-value] # to Prefect, the run's end
        except TripLoadError as error:  # of one dataset: the others go on
            get_run_logger().error("%s", error)
            report.failed_datasets[str(dataset)] = error.message
        else:
            waited_for = first_not_out({plan.request.month: plan.at_source is not None for plan in plans})
            report.not_out_yet |= {str(dataset): str(waited_for)} if waited_for else {}
    report.models = build_after_load(options.targets) if models else []
    report.seconds = round((datetime.now(UTC) - started_at).total_seconds(), 3)
    publish_sync(report, "sync-new-months")
    if report.failed or report.failed_datasets:
        told = failure_sentence(report.failed, len(report.months)) if report.failed else ""
        raise MonthsFailed(f"{told} {sync_sentence(report)} {report.models_sentence}".strip(), report=report)
    if report.models_sentence:
        raise ModelsFailed(report.models_sentence, report=report)
    return report
