"""Global concurrency limits: what the source, the database and the disk bear at once, over all workers."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import PrefectHTTPStatusError

# Slots of each limit: a month that a deployment loads takes one. Four months at once keep a small Postgres busy and
# are no burden to the source; `prefect global-concurrency-limit update tlc-months --limit 8` changes it for good.
MONTHS_LIMIT = "tlc-months"
LIMITS = {MONTHS_LIMIT: 4}


def ensure_limits() -> list[str]:
    """Make the limits that do not exist yet; those that do keep the number that somebody gave them. Their names."""
    with get_client(sync_client=True) as client:
        there = {limit.name for limit in client.read_global_concurrency_limits(limit=200)}
        for name, slots in LIMITS.items():
            if name in there:
                continue
            try:
                client.upsert_global_concurrency_limit_by_name(name, slots)
            except PrefectHTTPStatusError as error:  # made by another process meanwhile
                if error.response.status_code != HTTPStatus.CONFLICT:
                    raise
    return list(LIMITS)


def free_lost_slots(flow: str, own_run: UUID) -> None:
    """Free slots of ``tlc-months`` that no run of ``flow`` can hold, before ``own_run`` asks for one.

    A server that keeps its leases in memory and is started again never frees those of the runs of before: after four
    no month would begin. A run that waits for a slot counts as if it held one, so that none is freed too many.
    """
    with get_client(sync_client=True) as client:
        limit = client.read_global_concurrency_limit_by_name(MONTHS_LIMIT)
        if not limit.active_slots:
            return
        others = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.CANCELLING])),
                id=FlowRunFilterId(not_any_=[own_run]),
            ),
        )
        if len(others) < limit.active_slots:
            update = GlobalConcurrencyLimitUpdate(active_slots=len(others))
            client.update_global_concurrency_limit(MONTHS_LIMIT, update)
