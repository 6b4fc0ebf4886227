"""The run of a month elsewhere, watched until it ends, or until nothing works on it any more.

Prefect's server marks dead runs itself, by the automations of docs/operate.md. This is for a server that does not have
them, or that was killed with the events that they wait for: a backfill does not wait for a dead run for ever.
"""

from __future__ import annotations

import time
from contextlib import suppress
from uuid import UUID

import httpx
from prefect import get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter
from prefect.exceptions import ObjectNotFound
from prefect.runtime import deployment, flow_run
from prefect.settings import get_current_settings
from prefect.states import Cancelling, Crashed

from blocks.settings import Settings
from flows.ui.cancellation import LoadStopped, check_stopped

# Seconds between two requests for a run's state. A month takes a minute or more, and each is a request to the server.
POLL_SECONDS = 2.0
# A run is given up after so many times what the server's automations wait, which so come first.
_LATER = 2
_MISSED_HEARTBEATS = 3
# A heartbeat is asked for less often than the state.
_POLLS_A_HEARTBEAT = 5


def end_of(run_id: UUID) -> State[object]:
    """The state in which the run ends; Crashed, also on the server, if it is given up.

    If this process is stopped meanwhile, the run is cancelled.
    """
    with get_client(sync_client=True) as client:
        try:
            return _watch(client, run_id)
        except ObjectNotFound:
            return Crashed(message="it was deleted.")
        except LoadStopped:
            with suppress(Exception):  # the cancellation goes on whatever the server says
                client.set_flow_run_state(run_id, Cancelling())
            raise


def stop_if_cancelled() -> None:
    """Raise LoadStopped if this run, of a deployment, is being cancelled: nobody may be left who would end it."""
    run_id = flow_run.get_id()
    if deployment.get_id() is None or run_id is None:
        return
    with suppress(httpx.HTTPError), get_client(sync_client=True) as client:  # else at the next look
        state = client.read_flow_run(UUID(run_id)).state
        if state is not None and (state.is_cancelling() or state.is_cancelled()):
            raise LoadStopped("this run is being cancelled")


def _watch(client: SyncPrefectClient, run_id: UUID) -> State[object]:
    seen: tuple[object, ...] = ()
    heartbeat, silent, polls = None, 0.0, 0
    while True:
        run = client.read_flow_run(run_id)
        state = run.state
        if state is not None:
            if state.is_final():
                return state
            if state.is_running() and polls % _POLLS_A_HEARTBEAT == 0:
                heartbeat = _last_heartbeat(client, run_id)
            # By answers, not by the clock: while the server is away it hears no heartbeats.
            silent = silent + POLL_SECONDS if seen == (state.id, heartbeat) else 0.0
            seen = (state.id, heartbeat)
            if why := why_dead(state, silent):
                return _give_up(client, run, why)
        check_stopped()
        time.sleep(POLL_SECONDS)
        polls += 1


def why_dead(state: State[object], silent: float) -> str | None:
    """Why nothing works on a run that has been ``silent`` in this state for so many seconds; None if something may.

    Late runs wait for a worker, and runs that are being cancelled are ended by Prefect's server.
    """
    every = get_current_settings().flows.heartbeat_frequency
    if state.type == StateType.PENDING and silent > Settings().pending_minutes * 60 * _LATER:
        return f"A worker took it, and {silent:.0f} s later it has not begun: the worker was ended, or its log says why"
    if every and state.type == StateType.RUNNING and silent > every * _MISSED_HEARTBEATS * _LATER:
        return f"No heartbeat for {silent:.0f} s: its process, or its machine, is gone"
    return None


def _last_heartbeat(client: SyncPrefectClient, run_id: UUID) -> UUID | None:
    """The id of the run's newest heartbeat, if there is one."""
    heartbeats = EventFilter(
        event=EventNameFilter(name=["prefect.flow-run.heartbeat"]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run_id}"]),
    )
    page = client.read_events(heartbeats, limit=1)
    return page.events[0].id if page.events else None


def _give_up(client: SyncPrefectClient, run: FlowRun, why: str) -> State[object]:
    get_run_logger().warning("The run %s is given up, and the other months go on. %s.", run.name, why)
    crashed: State[object] = Crashed(message=f"{why}. The month is as it was before.")
    client.set_flow_run_state(run.id, crashed)  # not by force: if it has ended meanwhile, that counts
    return client.read_flow_run(run.id).state or crashed
