"""Stop loads that run in other threads, between two batches: what cancelling a backfill means within a month."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec

P = ParamSpec("P")

# Threads that a task runner starts inside ``stopping_together`` have a copy of the context, and so the same event.
_stop: ContextVar[threading.Event | None] = ContextVar("stop", default=None)


# What a run's last state says if it ended itself.
STOPPED = "Cancelled: every month is as it was, or loaded. Run it again to go on."


class LoadStopped(BaseException):
    """The run that this load belongs to has been cancelled. No Exception: nothing is to retry or report it."""


@contextmanager
def stopping_together() -> Iterator[None]:
    """If anything is raised out of this block, loads begun inside stop at their next ``check_stopped``."""
    event = threading.Event()
    token = _stop.set(event)
    try:
        yield
    except BaseException:
        event.set()
        raise
    finally:
        _stop.reset(token)


def check_stopped() -> None:
    """Raise LoadStopped if the run has been cancelled."""
    event = _stop.get()
    if event is not None and event.is_set():
        raise LoadStopped("the run was cancelled; what was not committed is undone")


def stoppable(hook: Callable[P, None]) -> Callable[P, None]:
    """``hook``, which a load calls at every batch or MiB, preceded by ``check_stopped``."""

    def check_and_call(*arguments: P.args, **options: P.kwargs) -> None:
        check_stopped()
        hook(*arguments, **options)

    return check_and_call
