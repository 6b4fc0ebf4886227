"""Have Prefect's server watch every run that has not ended, whatever it forgot: for after it was killed.

Automations wait for events, and a server that is killed loses those that it has not handled: a run whose process died
with it would stay Pending or Running for ever. So whoever starts a server, and the daily sync, start the wait anew. A
run that is alive shows it in time.
"""

from __future__ import annotations

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events import Event, RelatedResource, Resource

from blocks.events import RUN_STILL_PENDING, RUN_STILL_RUNNING

_EVENTS = {StateType.PENDING: RUN_STILL_PENDING, StateType.RUNNING: RUN_STILL_RUNNING}
_PAGE = 200  # the most that the server gives


def watch_unfinished_runs(client: SyncPrefectClient) -> int:
    """Emit an event for each run that is Pending or Running, and return how many there are."""
    runs = _unfinished(client)
    ids = FlowFilterId(any_=sorted({run.flow_id for run in runs}))
    names = {flow.id: flow.name for flow in client.read_flows(flow_filter=FlowFilter(id=ids))} if runs else {}
    events = [_event(run, names[run.flow_id]) for run in runs if run.flow_id in names]
    if events:  # by a plain request: emit_event leaves the sending to a thread
        client.request("POST", "/events", json=[each.model_dump(mode="json") for each in events]).raise_for_status()
    return len(events)


def _unfinished(client: SyncPrefectClient) -> list[FlowRun]:
    in_these = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(_EVENTS))))
    runs: list[FlowRun] = []
    while page := client.read_flow_runs(flow_run_filter=in_these, limit=_PAGE, offset=len(runs)):
        runs += page
    return runs


def _event(run: FlowRun, flow: str) -> Event:
    assert run.state_type is not None
    return Event(
        event=_EVENTS[run.state_type],
        resource=Resource({"prefect.resource.id": f"prefect.flow-run.{run.id}", "prefect.resource.name": run.name}),
        related=[
            RelatedResource(
                {
                    "prefect.resource.id": f"prefect.flow.{run.flow_id}",
                    "prefect.resource.role": "flow",
                    "prefect.resource.name": flow,
                }
            )
        ],
    )
