"""A month as a run of the deployment ``load-month``, on whichever worker takes it: submitted, watched, limited."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType, WorkPool, WorkPoolStatus
from prefect.concurrency.sync import concurrency
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.runtime import deployment, flow_run

from blocks.limits import MONTHS_LIMIT, ensure_limits, free_lost_slots
from flows.decide.outcome import MonthOutcome, TargetOutcome, TargetStatus
from flows.decide.plan import MonthPlan
from flows.many_months.month_run import end_of
from flows.many_months.targets import LoadOptions
from flows.tlc.errors import ParameterError

DEPLOYMENT = "load-month/load-month"
_BEGUN = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)


def check_deployed() -> None:
    """Raise ParameterError if no worker could ever take a month; also makes the limit that its run holds."""
    ensure_limits()
    with get_client(sync_client=True) as client:
        try:
            client.read_deployment_by_name(DEPLOYMENT)
        except ObjectNotFound as error:
            raise ParameterError(
                f"run_on='work_pool' needs the deployment {DEPLOYMENT}, which Prefect's server does not have. Run "
                "'python -m deployments.apply', start a worker, and run again."
            ) from error


@task(
    name="load-month-elsewhere",
    task_run_name="{plan.request.dataset} {plan.request.month} in the work pool",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def load_month_elsewhere(plan: MonthPlan, options: LoadOptions) -> MonthOutcome:
    """Submit the month, wait for its end, and return how the run ended, for every target that it had to load.

    If this task is cancelled, it cancels the month's run.
    """
    request, parent = plan.request, flow_run.get_id()
    submitted: FlowRun = run_deployment(  # type: ignore[assignment] # no coroutine: this is no async code
        DEPLOYMENT,
        parameters={
            "dataset": str(request.dataset),
            "month": str(request.month),
            "targets": plan.to_load,
            "source": str(request.source),
            "layout": options.layout,
            "drop_rules": sorted(request.drop_rules),
            "force": options.force,
            "new_columns": request.new_columns,
        },
        # A retry of the backfill submits anew: under the same key it would be given the run that failed.
        idempotency_key=_key(parent, plan) if parent else None,
        timeout=0,  # do not wait: a wait inside could not be cancelled
    )
    state = end_of(submitted.id)
    status: TargetStatus = "loaded" if state.is_completed() else "failed"
    sentence = None if state.is_completed() else f"its run {submitted.name} is {state.name}: {state.message or ''}"
    legs = [TargetOutcome(target=target, status=status, sentence=sentence) for target in plan.to_load]
    return MonthOutcome(dataset=str(request.dataset), month=str(request.month), legs=legs)


def _key(parent: str, plan: MonthPlan) -> str:
    """The targets are part of it: a month has several plans if they have it cleaned in different ways."""
    request, targets = plan.request, "-".join(plan.to_load)
    return f"{parent}-{flow_run.get_run_count()}-{request.dataset}-{request.month}-{targets}"


def why_months_wait(parent: UUID) -> str | None:
    """What to do, in a sentence, if months submitted by the run ``parent`` wait in vain; else None.

    They do if no worker takes runs of their pool, or if all that runs there are backfills that wait for room
    themselves. Months that wait for other work will begin after it.
    """
    with get_client(sync_client=True) as client:
        submitted = _submitted(client, parent)
        waiting = [run for run in submitted if run.state_type == StateType.SCHEDULED]
        if not waiting:
            return None
        name = waiting[0].work_pool_name
        if name is None:
            return f"{DEPLOYMENT} has no work pool, and no month begins: run 'python -m deployments.apply'."
        pool = client.read_work_pool(name)
        none_begun = len(waiting) == len(submitted)
        return _why_not_taken(pool) or (_why_no_room(pool, _runs_in(client, pool)) if none_begun else None)


def _why_not_taken(pool: WorkPool) -> str | None:
    if pool.status == WorkPoolStatus.PAUSED:
        return f"The work pool {pool.name} is paused, and no month begins: prefect work-pool resume {pool.name}"
    if pool.status == WorkPoolStatus.NOT_READY:
        return (
            f"The work pool {pool.name} has no worker, and no month begins. Start one: "
            f"prefect worker start --pool {pool.name}"
        )
    return None


def _why_no_room(pool: WorkPool, under_way: Sequence[FlowRun]) -> str | None:
    waiting = [run for run in under_way if run.parameters.get("run_on") == "work_pool"]
    if not waiting or len(waiting) < len(under_way):
        return None
    names = ", ".join(f"'{run.name}'" for run in waiting)
    return (
        f"No month begins: {names}, and nothing else, takes the room of the work pool {pool.name}, waiting for months "
        f"to run there. Give them room beside it, with one more worker (prefect worker start --pool {pool.name}) or a "
        "higher --limit; or cancel this run, and start it with run_on=here."
    )


def _runs_in(client: SyncPrefectClient, pool: WorkPool) -> list[FlowRun]:
    return client.read_flow_runs(
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool.name])),
        flow_run_filter=FlowRunFilter(state=_in(*_BEGUN)),
    )


def _submitted(client: SyncPrefectClient, parent: UUID) -> list[FlowRun]:
    """The run's months that have not ended."""
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[parent]), state=_in(StateType.SCHEDULED, *_BEGUN)
        )
    )


def _in(*states: StateType) -> FlowRunFilterState:
    return FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))


@contextmanager
def month_slot() -> Iterator[None]:
    """Hold a slot of the limit ``tlc-months``, which is over all workers; only in a deployment's run.

    The limit is made if it is missing: Prefect would not wait without it. The slot is leased for five minutes at a
    time, so it is free at most that long after its holder was killed; one whose lease is lost, when the next month
    starts. If the lease cannot be renewed because the server is away, the month under way goes on: to end it would help
    nobody.
    """
    own_run = flow_run.get_id()
    if deployment.get_id() is None or own_run is None:
        yield
        return
    ensure_limits()
    free_lost_slots(DEPLOYMENT.partition("/")[0], UUID(own_run))
    with concurrency(MONTHS_LIMIT, strict=True, raise_on_lease_renewal_failure=False):
        yield
