"""Why none of a backfill's runs begins: what somebody has to do about, and no worker says."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

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

from flows.many_months.work_pool import DEPLOYMENT

_BEGUN = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)


def why_none_begins(parent: UUID) -> str | None:
    """What to do, in a sentence, where the months submitted by the run ``parent`` wait in vain; else None.

    They do where no worker takes runs of their pool, and where all that runs there are backfills that wait for room
    themselves. Months that wait for other work have their turn.
    """
    with get_client(sync_client=True) as client:
        submitted = _submitted(client, parent)
        if not submitted or any(run.state_type in _BEGUN for run in submitted):
            return None
        name = submitted[0].work_pool_name
        if name is None:
            return f"{DEPLOYMENT} has no work pool, and no month begins: run 'python -m deployments.apply'."
        pool = client.read_work_pool(name)
        return _why_not_taken(pool) or _why_no_room(pool, _runs_in(client, pool))


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
    """Its months that are not over."""
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[parent]), state=_in(StateType.SCHEDULED, *_BEGUN)
        )
    )


def _in(*states: StateType) -> FlowRunFilterState:
    return FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))
