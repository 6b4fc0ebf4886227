"""The models of ``flows/analytics`` in Postgres or in the warehouse: built by dbt, for the months that changed."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import flow
from prefect.runtime import flow_run

from flows.decide.models import ModelsReport
from flows.parameters import (
    FirstLoadedMonth,
    FullRefresh,
    LastLoadedMonth,
    ModelsTargetName,
    SelectedModels,
    check_order,
    month_or_none,
)
from flows.tasks.models import build_stale_months, dbt_for, ensure_sources, find_stale_months, wanted_models
from flows.tasks.policy import with_context
from flows.tlc.errors import ModelsFailed
from flows.ui.models import publish_models


def _run_name() -> str:
    given = flow_run.get_parameters()
    first, last = given.get("start_month") or "", given.get("end_month") or ""
    return f"build models in {given.get('target')}{f' {first}..{last}' if first or last else ''}"


@flow(
    name="build-models",
    flow_run_name=_run_name,
    timeout_seconds=24 * 3600,  # all of history
    persist_result=False,
)
def build_models(
    target: ModelsTargetName = "postgres",
    start_month: FirstLoadedMonth = None,
    end_month: LastLoadedMonth = None,
    select: SelectedModels = None,
    full_refresh: FullRefresh = False,
) -> ModelsReport:
    """Build the answers from the trips: revenue by zone, shares of services, travel times, tips and more.

    Builds only months that were loaded, published again or removed since the models were built last; if there are
    none, it takes seconds. Each month of a model is replaced whole, or stays as it was. Every model is tested against
    the ledger, and the run fails if a test does: its artifacts say which. Each model and each test is a task of the
    run.

    Requires: the block of the target (`python -m blocks.register`), and dbt (`make models`).
    """
    started_at = datetime.now(UTC)
    report = ModelsReport(target=target)
    with with_context("models"):
        check_order(month_or_none(start_month), month_or_none(end_month))
        wanted = wanted_models(target, start_month, end_month, select, full_refresh)
        with dbt_for(target) as dbt:
            stale = find_stale_months(wanted, dbt.engine)
            if stale.months:
                report.place = ensure_sources(target)
                report.months = stale.months
                report.nodes = build_stale_months(dbt, wanted, stale)
                report.status = "failed" if report.failures else "built"
    report.seconds = round((datetime.now(UTC) - started_at).total_seconds(), 3)
    publish_models(report)
    if report.failures:
        raise ModelsFailed(report.failure_sentence, report=report, dataset="models")
    return report
