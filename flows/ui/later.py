"""Show what a run has loaded while it loads the next: Prefect's server takes some 20 ms for each thing it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import ParamSpec

P = ParamSpec("P")

_other_thread: ContextVar[Executor | None] = ContextVar("other_thread", default=None)


@contextmanager
def showing_later() -> Iterator[None]:
    """Have one other thread do what ``show`` is given within, in its order; at the end of the block all is done.

    Also if anything is raised: what is loaded is to be shown.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="show") as thread:
        token = _other_thread.set(thread)
        try:
            yield
        finally:
            _other_thread.reset(token)


def show(what: Callable[P, None], *arguments: P.args, **options: P.kwargs) -> None:
    """Call ``what``, which handles its own errors, as part of the run and the task that call this: now, or later."""
    if (thread := _other_thread.get()) is None:
        what(*arguments, **options)
    else:
        thread.submit(copy_context().run, partial(what, *arguments, **options))
