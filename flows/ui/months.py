"""The artifacts of a plan, of a month in several targets, and of a backfill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from flows.decide.outcome import BackfillReport, MonthOutcome, SyncReport, TargetOutcome
from flows.decide.plan import MonthPlan
from flows.tlc.report import Target
from flows.tlc.visible import in_markdown
from flows.ui.artifacts import show_markdown, show_table
from flows.ui.report import best_effort

_ARROW = "→ "


def plan_rows(plans: Sequence[MonthPlan]) -> list[dict[str, Any]]:
    """The plan as people read it: a row a month, a column a target."""
    return [
        {
            "month": f"{plan.request.dataset} {plan.request.month}",
            "MB at source": round(plan.bytes / 1e6, 1) if plan.bytes is not None else "?",
            "rows expected": f"{plan.rows:,}" if plan.rows is not None else "?",
            **{f"{_ARROW}{target}": action for target, action in plan.actions.items()},
        }
        for plan in plans
    ]


def plan_sentence(plans: Sequence[MonthPlan]) -> str:
    """The plan in one sentence."""
    work = [plan for plan in plans if plan.to_load]
    size = sum(plan.bytes or 0 for plan in work)
    rows = sum(plan.rows or 0 for plan in work)
    unsure = " at least" if rows and any(plan.rows is None or plan.bytes is None for plan in work) else ""
    told_rows = f"{rows:,} rows and " if rows or not work else ""  # nobody knows those of made-up months
    rest = Counter(_left_as(plan) for plan in plans if not plan.to_load)
    told = ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in rest.items())
    return (
        f"{len(work)} of {len(plans)} months to load ({told_rows}{size / 1e6:,.0f} MB at the source{unsure})"
        f"{f', {told}' if told else ''}."
    )


def _left_as(plan: MonthPlan) -> str:
    """Why a month is not loaded; a reason that can be acted on comes first."""
    return next((why for why in ("not_in_lake", "not_published") if why in plan.actions.values()), "unchanged")


def outcome_rows(months: Sequence[MonthOutcome]) -> list[dict[str, Any]]:
    """The outcomes as people read them: a row a month, a column a target."""
    return [
        {
            "month": f"{month.dataset} {month.month}",
            "rows": f"{max((leg.rows_loaded for leg in month.legs), default=0):,}",
            **{f"{_ARROW}{leg.target}": leg.status for leg in month.legs},
            "what to do": month.sentence,
        }
        for month in months
    ]


@task(name="publish-plan", task_run_name="publish the plan", cache_policy=NO_CACHE, persist_result=False)
def publish_plan(plans: Sequence[MonthPlan], key: str) -> None:
    """The plan as a table artifact, its sentence as its description and in the log."""
    get_run_logger().info(plan_sentence(plans))
    with best_effort("The plan is made, but not shown in the UI"):
        show_table(plan_rows(plans), f"{key}-plan", plan_sentence(plans))


@task(
    name="publish-month",
    task_run_name="publish {outcome.dataset} {outcome.month}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def publish_month(outcome: MonthOutcome) -> None:
    """One month in several targets, as a small table; the legs' own artifacts have the details."""
    with best_effort("The month's outcome is not shown in the UI"):
        show_markdown(
            "\n".join(
                [
                    f"## {outcome.dataset} {outcome.month}",
                    "",
                    "| target | status | rows | |",
                    "| --- | --- | ---: | --- |",
                    *(_leg_line(leg) for leg in outcome.legs),
                ]
            ),
            f"{outcome.dataset}-{outcome.month}",
            f"{outcome.dataset} {outcome.month} in all targets",
        )


@task(name="publish-backfill", task_run_name="publish the backfill", cache_policy=NO_CACHE, persist_result=False)
def publish_backfill(report: BackfillReport, key: str) -> None:
    """Every month and its outcome as a table artifact, the sums as its description."""
    with best_effort("The months' outcomes are not shown in the UI"):
        show_table(outcome_rows(report.months), key, backfill_sentence(report))


@task(name="publish-sync", task_run_name="publish what is new", cache_policy=NO_CACHE, persist_result=False)
def publish_sync(report: SyncReport, key: str) -> None:
    """Every month that was looked at, as a table artifact; what is new, and what is not out yet, as its description."""
    with best_effort("The months' outcomes are not shown in the UI"):
        show_table(outcome_rows(report.months), key, sync_sentence(report))


def sync_sentence(report: SyncReport) -> str:
    """A sync in one sentence."""
    waiting = ", ".join(f"{dataset} {month}" for dataset, month in report.not_out_yet.items())
    failed = ", ".join(f"{month.dataset} {month.month}" for month in report.failed)
    return (
        f"Loaded: {', '.join(report.loaded) or 'nothing, all is as the source has it'}."
        + (f" Failed: {failed}." if failed else "")
        + "".join(f" Not looked at: {dataset}: {sentence}" for dataset, sentence in report.failed_datasets.items())
        + (f" Not out yet: {waiting}." if waiting else "")
    )


def backfill_sentence(report: BackfillReport) -> str:
    """A backfill in one sentence."""
    counts = {
        status: len(report.months_of(status))
        for status in ("loaded", "unchanged", "not_published", "skipped", "failed")
    }
    told = ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in counts.items() if number)
    targets: list[Target] = report.targets
    return f"{report.dataset} {report.start_month}..{report.end_month} → {', '.join(targets)}: {told or 'no month'}."


def _leg_line(leg: TargetOutcome) -> str:
    return f"| {leg.target} | {leg.status} | {leg.rows_loaded:,} | {in_markdown(leg.sentence or '')} |"
