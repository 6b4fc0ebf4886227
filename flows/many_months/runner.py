"""Load many months, a few at a time: in this process' threads, on a Dask cluster, or as runs in a work pool."""

from __future__ import annotations

import queue
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import ObjectNotFound
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.states import Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.decide.outcome import MonthOutcome, TargetOutcome
from flows.decide.plan import MonthPlan
from flows.many_months.targets import LoadOptions, load_targets
from flows.many_months.work_pool import load_month_elsewhere
from flows.many_months.work_pool_idle import why_none_begins
from flows.parameters import RunOn
from flows.tlc.errors import ParameterError
from flows.ui.cancellation import stopping_together

# Seconds without a month's end after which a backfill on a work pool looks whether any has begun.
SILENCE_SECONDS = 60.0


@dataclass(frozen=True)
class MonthRunner:
    """Who loads the months: where, how many at a time, and which Dask scheduler where it is Dask."""

    run_on: RunOn = "here"
    at_once: int = 2
    dask_address: str | None = None

    def __post_init__(self) -> None:
        if self.run_on == "dask" and not self.dask_address:
            raise ParameterError("run_on='dask' needs dask_address, for example tcp://scheduler:8786.")

    def runner(self) -> TaskRunner[Any]:
        """The task runner; raises ParameterError where its package is not installed."""
        if self.run_on != "dask":
            return ThreadPoolTaskRunner(max_workers=self.at_once)
        try:
            from prefect_dask import DaskTaskRunner  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ParameterError(
                "run_on='dask' needs prefect-dask: in the checkout, pip install -e '.[dask]'."
            ) from error
        return DaskTaskRunner(address=self.dask_address)


@task(
    name="load-month",
    task_run_name="{plan.request.dataset} {plan.request.month}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def load_month_here(plan: MonthPlan, choice: LoadOptions) -> Any:
    """Load the month into the targets that the plan says; failed, where one of them did, with the outcome as result."""
    outcome = load_targets(plan.request, choice, only=plan.to_load)
    return Failed(message=outcome.sentence, data=outcome) if outcome.failed else outcome


def load_planned(plans: Sequence[MonthPlan], choice: LoadOptions, crew: MonthRunner) -> Generator[MonthOutcome]:
    """Load what the plans say, yielding each month's outcome as it ends; a month's failure stops no other.

    At most ``crew.at_once`` months are under way. Whatever is raised where this is consumed, Ctrl-C and Prefect's
    cancellation included, lets no further month begin, and those under way end at their next batch.
    """
    job = load_month_elsewhere if crew.run_on == "work_pool" else load_month_here
    ended: queue.SimpleQueue[PrefectFuture[Any]] = queue.SimpleQueue()
    waiting = iter(plans)
    under_way: dict[PrefectFuture[Any], MonthPlan] = {}
    with crew.runner() as runner, stopping_together():
        while True:
            while len(under_way) < crew.at_once and (plan := next(waiting, None)) is not None:
                future = runner.submit(job, {"plan": plan, "choice": choice})
                under_way[future] = plan
                future.add_done_callback(ended.put)
            if not under_way:
                return
            future = ended.get() if crew.run_on != "work_pool" else _next_from_elsewhere(ended)
            yield _outcome(future, under_way.pop(future))


def _next_from_elsewhere(ended: queue.SimpleQueue[PrefectFuture[Any]]) -> PrefectFuture[Any]:
    """The next month that ends; warns, once, where none has begun and none will unless somebody does something."""
    warned = False
    while True:
        try:
            return ended.get(timeout=None if warned else SILENCE_SECONDS)
        except queue.Empty:
            warned = _warn_where_none_begins()


def _warn_where_none_begins() -> bool:
    parent = flow_run.get_id()
    try:
        sentence = why_none_begins(UUID(parent)) if parent else None
    except (
        httpx.HTTPError,
        ObjectNotFound,
    ):  # the server or the pool is gone, which the months tell in time
        return False
    if sentence:
        get_run_logger().warning(sentence)
    return sentence is not None


def _outcome(future: PrefectFuture[Any], plan: MonthPlan) -> MonthOutcome:
    result = future.result(raise_on_failure=False)
    if isinstance(result, MonthOutcome):
        return result
    sentence = f"the month's task ended without an outcome: {result!r}"
    legs = [TargetOutcome(target=target, status="failed", sentence=sentence) for target in plan.to_load]
    return MonthOutcome(dataset=str(plan.request.dataset), month=str(plan.request.month), legs=legs)
