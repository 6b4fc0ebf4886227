"""How far a load is, for who watches it in this process: the command line's bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# What is being done, and how much of it: 0 to 1.
Listener = Callable[[str, float], None]

# Threads that a task runner starts have a copy of the context, and so the same listener.
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def watched_by(listener: Listener) -> Iterator[None]:
    """Tell ``listener`` of every step within; it may be called from several threads."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell_progress(description: str, fraction: float) -> None:
    """Say that ``fraction`` of ``description`` is done, to who watches; cheap, and at every batch."""
    listener = _listener.get()
    if listener is not None:
        listener(description, fraction)
