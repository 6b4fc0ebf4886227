"""Carry a plan out, a few months at a time: in this process' threads, on a Dask cluster, or as runs in a work pool."""

from __future__ import annotations

import os
import queue
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.futures import PrefectFuture
from prefect.runtime import deployment, flow_run
from prefect.states import Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from blocks.limits import LIMITS, MONTHS_LIMIT
from flows.decide.outcome import MonthOutcome, TargetOutcome, reconciled_with_ledger
from flows.decide.plan import MonthPlan
from flows.many_months.month_run import stop_if_cancelled
from flows.many_months.targets import LoadOptions, load_targets
from flows.many_months.work_pool import check_deployed, load_month_elsewhere, why_months_wait
from flows.parameters import RunOn
from flows.tasks.codes import refreshing_codes_once
from flows.tasks.plan import read_ledgers
from flows.tlc.errors import ParameterError
from flows.ui.cancellation import stopping_together
from flows.ui.later import showing_later
from flows.ui.report import ProgressBar

# Seconds without a month's end after which a backfill on a work pool checks whether its months begin.
SILENCE_SECONDS = 60.0
# Seconds between two looks whether this run is being cancelled.
LOOK_SECONDS = 10.0
CGROUP = Path("/sys/fs/cgroup")
# Of a backfill into all three targets, which needs the most (docs/backfill.md): two at once took 660 MB, four 800.
_PROCESS_BYTES, _MONTH_BYTES = 450_000_000, 150_000_000


def months_at_once(run_on: RunOn, targets: Sequence[str]) -> int:
    """How many months to load at once if nobody says: as many as help (docs/backfill.md, "How fast").

    Here a month keeps a core busy, and one can wait for the source while another loads: two at least, if a container's
    memory allows them. Elsewhere this process only waits; into the warehouse alone it waits for BigQuery, or its months
    wait for each other, since one at a time may write a DuckDB file.
    """
    most = LIMITS[MONTHS_LIMIT]
    if run_on != "here" or tuple(targets) == ("bigquery",):
        return most
    helpful = max(2, min(most, usable_cores()))
    memory = memory_limit()
    return helpful if memory is None else max(1, min(helpful, (memory - _PROCESS_BYTES) // _MONTH_BYTES))


def usable_cores() -> int:
    """The cores that this process may use, a container's share rounded down."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _cgroup("cpu.max").partition(" ")
    return min(cores, int(quota) // int(period)) if quota.isdigit() else cores


def memory_limit() -> int | None:
    """The bytes that a container has for a run: a worker's runs share them. None if nobody limits them."""
    limit = _cgroup("memory.max")
    return int(limit) // max(1, int(os.environ.get("WORKER_LIMIT") or 1)) if limit.isdigit() else None


def _cgroup(name: str) -> str:
    """A setting of this process' container, as version 2 of Linux' control groups has it; empty if there is none."""
    try:
        return (CGROUP / name).read_text(encoding="ascii").strip()
    except OSError:
        return ""


@dataclass(frozen=True)
class MonthRunner:
    """Where months are loaded, how many at a time, and on which Dask scheduler if it is Dask."""

    run_on: RunOn
    at_once: int
    dask_address: str | None = None

    def __post_init__(self) -> None:
        if self.run_on == "dask" and not self.dask_address:
            raise ParameterError("run_on='dask' needs dask_address, for example tcp://scheduler:8786.")

    def task_runner(self) -> TaskRunner[Any]:
        """Prefect's task runner; raises ParameterError if its package is not installed."""
        if self.run_on != "dask":
            return ThreadPoolTaskRunner(max_workers=self.at_once)
        try:
            from prefect_dask.task_runners import DaskTaskRunner  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ParameterError(
                "run_on='dask' needs prefect-dask: in the checkout, pip install -e '.[dask]'."
            ) from error
        return DaskTaskRunner(address=self.dask_address)


def check_scheduler(runner: MonthRunner) -> None:
    """Raise ParameterError if this run of a deployment is to use another Dask scheduler than the deployment names.

    This process runs what its scheduler sends: whoever may start runs, and no more, must not choose it.
    """
    own = deployment.get_id()
    if own is None:
        return
    with get_client(sync_client=True) as client:
        named = client.read_deployment(UUID(own)).parameters.get("dask_address")
    if runner.dask_address != named:
        raise ParameterError(
            f"a deployment's run uses the Dask scheduler that the deployment names ({named or 'none'}), not "
            f"{runner.dask_address}: set dask_address in the deployment's own parameters, in prefect.yaml."
        )


@task(
    name="load-month",
    task_run_name="{plan.request.dataset} {plan.request.month}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def load_month_here(plan: MonthPlan, options: LoadOptions) -> Any:
    """Load the month into the targets that the plan says; failed if one of them did, with the outcome as its result."""
    outcome = load_targets(plan.request, options, only=plan.to_load)
    return Failed(message=outcome.sentence, data=outcome) if outcome.failed else outcome


def load_all(plans: Sequence[MonthPlan], options: LoadOptions, runner: MonthRunner) -> list[MonthOutcome]:
    """Load every month whose plan says so; returns the outcomes in the months' order.

    The progress bar is updated, and a line logged, after each month. Raises ParameterError if the runner cannot work.
    """
    work = [plan for plan in plans if plan.to_load]
    if not work:
        return []
    dataset = work[0].request.dataset
    in_pool = runner.run_on == "work_pool"
    if in_pool:
        check_deployed()
    if runner.run_on == "dask":
        check_scheduler(runner)
    before = read_ledgers(dataset, options.targets) if in_pool else {}
    bar = ProgressBar(f"Months of {dataset} that are done")
    outcomes: list[MonthOutcome] = []
    with closing(load_planned(work, options, runner)) as ended:  # anything raised here stops the months under way
        for outcome in ended:
            outcomes.append(outcome)
            bar.update(len(outcomes) / len(work))
            _log(outcome, len(outcomes), len(work))
    bar.finish()
    if in_pool:
        after = read_ledgers(dataset, options.targets)
        outcomes = [reconciled_with_ledger(outcome, before, after) for outcome in outcomes]
    return sorted(outcomes, key=lambda outcome: outcome.month)


def load_planned(plans: Sequence[MonthPlan], options: LoadOptions, runner: MonthRunner) -> Generator[MonthOutcome]:
    """Load what the plans say, yielding each month's outcome as it ends; a month's failure stops no other.

    At most ``runner.at_once`` months are under way. If anything is raised while this is consumed, Ctrl-C and
    Prefect's cancellation included, no further month begins, and those under way end at their next batch.
    """
    job = load_month_elsewhere if runner.run_on == "work_pool" else load_month_here
    ended: queue.SimpleQueue[PrefectFuture[Any]] = queue.SimpleQueue()
    waiting = iter(plans)
    under_way: dict[PrefectFuture[Any], MonthPlan] = {}
    with showing_later(), refreshing_codes_once(), runner.task_runner() as task_runner, stopping_together():
        while True:
            while len(under_way) < runner.at_once and (plan := next(waiting, None)) is not None:
                future = task_runner.submit(job, {"plan": plan, "options": options})
                under_way[future] = plan
                future.add_done_callback(ended.put)
            if not under_way:
                return
            future = _next_ended(ended, in_pool=runner.run_on == "work_pool")
            yield _outcome(future, under_way.pop(future))


def _next_ended(ended: queue.SimpleQueue[PrefectFuture[Any]], *, in_pool: bool) -> PrefectFuture[Any]:
    """The next month that ends.

    Raises LoadStopped if this run is being cancelled: its worker, which would end it, may be gone. Warns once if months
    wait in the work pool that will not begin until somebody does something.
    """
    silence, warned = 0.0, not in_pool
    while True:
        try:
            return ended.get(timeout=min(LOOK_SECONDS, SILENCE_SECONDS))
        except queue.Empty:
            stop_if_cancelled()
            silence += LOOK_SECONDS
            if not warned and silence >= SILENCE_SECONDS:
                silence, warned = 0.0, _warn_if_months_wait()


def _warn_if_months_wait() -> bool:
    parent = flow_run.get_id()
    try:
        sentence = why_months_wait(UUID(parent)) if parent else None
    except (httpx.HTTPError, ObjectNotFound):  # the server or the pool is gone: the months will fail and say so
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


def _log(outcome: MonthOutcome, number: int, total: int) -> None:
    statuses = ", ".join(f"{target} {status}" for target, status in outcome.statuses.items())
    log = get_run_logger().error if outcome.failed else get_run_logger().info
    why = f". {outcome.sentence}" if outcome.failed else ""
    log("%s %s (%d of %d): %s%s", outcome.dataset, outcome.month, number, total, statuses, why)
