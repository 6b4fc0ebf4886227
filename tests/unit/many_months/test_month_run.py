"""When a run is given up: after what the server's automations wait, twice; never one that may still go on."""

from __future__ import annotations

import pytest
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Cancelling, Late, Pending, Running, Scheduled, State, Submitting

from flows.many_months.month_run import why_dead

HOURS = 36_000.0


@pytest.fixture(autouse=True)
def _waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLC_PENDING_MINUTES", "1")


@pytest.mark.parametrize("state", [Pending(), Submitting()], ids=lambda state: state.name)
def test_run_that_never_begins_is_given_up(state: State) -> None:
    assert why_dead(state, 120) is None
    assert why_dead(state, 122) == (
        "A worker took it, and 122 s later it has not begun: the worker was ended, or its log says why"
    )


def test_run_without_heartbeats_is_given_up_if_there_are_any() -> None:
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 30}):
        assert why_dead(Running(), 180) is None
        assert "No heartbeat for 182 s" in (why_dead(Running(), 182) or "")
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        assert why_dead(Running(), HOURS) is None


@pytest.mark.parametrize("state", [Scheduled(), Late(), Cancelling()], ids=lambda state: state.name)
def test_run_that_waits_for_a_worker_or_is_cancelled_is_not_given_up(state: State) -> None:
    assert why_dead(state, HOURS) is None
