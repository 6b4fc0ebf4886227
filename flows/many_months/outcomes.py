"""Carry a plan out and say what became of every month of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing

from prefect import get_run_logger

from flows.decide.outcome import MonthOutcome, TargetOutcome, TargetStatus
from flows.decide.plan import MonthPlan
from flows.many_months.runner import MonthRunner, load_planned
from flows.many_months.targets import LoadOptions
from flows.many_months.work_pool import check_deployed, reconciled_with_ledger
from flows.tasks.plan import read_ledgers
from flows.tlc.report import TARGETS, Target
from flows.ui.report import ProgressBar


def load_all(plans: Sequence[MonthPlan], choice: LoadOptions, crew: MonthRunner) -> list[MonthOutcome]:
    """Load every month that its plan says has to be; the outcomes in the months' order.

    A progress bar and a line in the log follow each month. Raises ParameterError where the crew cannot work.
    """
    work = [plan for plan in plans if plan.to_load]
    if not work:
        return []
    dataset = work[0].request.dataset
    elsewhere = crew.run_on == "work_pool"
    if elsewhere:
        check_deployed()
    before = read_ledgers(dataset, choice.targets) if elsewhere else {}
    bar = ProgressBar(f"Months of {dataset} that are done")
    outcomes: list[MonthOutcome] = []
    with closing(load_planned(work, choice, crew)) as ended:  # what is raised here stops the months under way
        for outcome in ended:
            outcomes.append(outcome)
            bar.update(len(outcomes) / len(work))
            _log(outcome, len(outcomes), len(work))
    bar.finish()
    if elsewhere:
        after = read_ledgers(dataset, choice.targets)
        outcomes = [reconciled_with_ledger(outcome, before, after) for outcome in outcomes]
    return sorted(outcomes, key=lambda outcome: outcome.month)


def outcomes_of(plans: Sequence[MonthPlan], loaded: Sequence[MonthOutcome]) -> list[MonthOutcome]:
    """Every planned month and its outcome: what was loaded, and what its plans left as it is."""
    done = {(outcome.month, leg.target): leg for outcome in loaded for leg in outcome.legs}
    legs: dict[str, dict[Target, TargetOutcome]] = {}
    for plan in plans:
        month = str(plan.request.month)
        these = {target: done.get((month, target)) or _left(plan, target) for target in plan.actions}
        legs.setdefault(month, {}).update(these)
    return [
        MonthOutcome(dataset=str(plans[0].request.dataset), month=month, legs=[of[t] for t in TARGETS if t in of])
        for month, of in legs.items()
    ]


_LEFT: Mapping[str, tuple[TargetStatus, str | None]] = {
    "unchanged": ("unchanged", None),
    "not_published": ("not_published", None),
    "not_in_lake": ("skipped", "the lake does not have the month: add gcs to the targets."),
}


def _left(plan: MonthPlan, target: Target) -> TargetOutcome:
    status, sentence = _LEFT.get(plan.actions[target], ("skipped", "it was not begun."))
    standing = plan.loaded.get(target)
    rows = standing.report.rows_loaded if standing else 0
    return TargetOutcome(target=target, status=status, sentence=sentence, rows_loaded=rows)


def _log(outcome: MonthOutcome, number: int, total: int) -> None:
    statuses = ", ".join(f"{target} {status}" for target, status in outcome.statuses.items())
    log = get_run_logger().error if outcome.failed else get_run_logger().info
    log("%s %s (%d of %d): %s", outcome.dataset, outcome.month, number, total, statuses)
