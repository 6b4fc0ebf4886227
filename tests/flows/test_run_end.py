"""A flow does not wait for the thread of its heartbeats, which ends by itself and beats no more."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from prefect import flow, flow_engine

import flows.tasks.policy  # noqa: F401 - every flow of the project imports it


class Clock:
    """The engine's ``time``: whoever sleeps does so until the test lets go, after the flow's end."""

    def __init__(self) -> None:
        self.sleeping, self.let_go = threading.Event(), threading.Event()
        self.sleeper: threading.Thread | None = None

    def sleep(self, _seconds: float) -> None:
        self.sleeper = threading.current_thread()
        self.sleeping.set()
        self.let_go.wait(60)


@flow
def ends_at_once() -> bool:
    assert isinstance(flow_engine.time, Clock)
    return flow_engine.time.sleeping.wait(60)


def test_flow_ends_while_its_heartbeats_sleep(prefect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    beats: list[Any] = []
    joined: list[threading.Thread] = []
    join = threading.Thread.join
    engine = flow_engine.FlowRunEngine
    monkeypatch.setattr(engine, "_emit_flow_run_heartbeat", lambda _engine, *about: beats.append(about))
    monkeypatch.setattr(threading.Thread, "join", lambda one, timeout=None: (joined.append(one), join(one, timeout))[1])
    monkeypatch.setattr(flow_engine, "time", clock)

    assert ends_at_once()

    assert clock.sleeper is not None
    assert clock.sleeper.is_alive()
    assert clock.sleeper not in joined
    clock.let_go.set()
    join(clock.sleeper, 60)
    assert not clock.sleeper.is_alive()
    assert len(beats) == 1
