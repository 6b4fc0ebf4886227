"""Stop loads that run in other threads, between two batches: what cancelling a backfill means within a month."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Threads that a task runner starts inside ``stopping_together`` have a copy of the context, and so the same event.
_stop: ContextVar[threading.Event | None] = ContextVar("stop", default=None)


class LoadStopped(BaseException):
    """The run that this load belongs to has been cancelled. No Exception: nothing is to retry or report it."""


@contextmanager
def stopping_together() -> Iterator[None]:
    """While something is raised out of this block, loads begun inside stop at their next ``check_stopped``."""
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
    """Raise LoadStopped where the run has been cancelled; loads ask at every batch and every MiB of a download."""
    event = _stop.get()
    if event is not None and event.is_set():
        raise LoadStopped("the run was cancelled; what was not committed is undone")
