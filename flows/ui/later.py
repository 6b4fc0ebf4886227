"""Show what a run has loaded while it loads the next: Prefect's server takes some 20 ms for each thing it is shown."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import ParamSpec

from flows.ui.cancellation import check_stopped

P = ParamSpec("P")

logger = logging.getLogger(__name__)

# Two months of all targets: if the server is slow, months wait for it as they would without another thread.
MOST_WAITING = 12
# A run that is ended waits so long for what is not shown yet: a server that is gone takes minutes to say so.
LAST_SECONDS = 10.0

_Waiting = queue.Queue[Callable[[], None] | None]
_waiting: ContextVar[_Waiting | None] = ContextVar("waiting", default=None)


@contextmanager
def showing_later() -> Iterator[None]:
    """Have one other thread do what ``show`` is given within, in its order; at the end of the block all is done.

    If anything is raised, what is loaded is shown, too, as far as that takes some seconds.
    """
    waiting: _Waiting = queue.Queue(MOST_WAITING)
    thread = threading.Thread(target=_show_all, args=[waiting], name="show", daemon=True)
    thread.start()
    token = _waiting.set(waiting)
    try:
        yield
    except BaseException:
        _end(waiting, thread, LAST_SECONDS)
        raise
    else:
        _end(waiting, thread, None)
    finally:
        _waiting.reset(token)


def show(what: Callable[P, None], *arguments: P.args, **options: P.kwargs) -> None:
    """Call ``what``, which handles its own errors, as part of the run and the task that call this: now, or later."""
    waiting = _waiting.get()
    if waiting is None:
        what(*arguments, **options)
    else:
        _put(waiting, partial(copy_context().run, partial(what, *arguments, **options)))


def _put(waiting: _Waiting, call: Callable[[], None]) -> None:
    """Wait for room as long as the run goes on."""
    while True:
        try:
            waiting.put(call, timeout=1)
        except queue.Full:
            check_stopped()
        else:
            return


def _show_all(waiting: _Waiting) -> None:
    while (call := waiting.get()) is not None:
        try:
            call()
        except BaseException:  # or what comes after it would never be shown, and the run never end
            logger.exception("Something that is loaded cannot be shown")


def _end(waiting: _Waiting, thread: threading.Thread, seconds: float | None) -> None:
    try:
        waiting.put(None, timeout=seconds)
    except queue.Full:
        pass
    else:
        thread.join(seconds)
    if thread.is_alive():
        logger.warning("Prefect's server is too slow to be shown the last of what is loaded. It is loaded.")
