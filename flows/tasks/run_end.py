"""A flow ends when its work does.

Prefect (3.8.8, and 3.9.1) lets every flow wait until the thread of its heartbeats has slept out a second: an empty flow
takes 1.08 s instead of 0.13 (the best of four, on 2 cores). The thread ends by itself, and sends nothing once the flow
has ended: Prefect's own async flows do not wait for it.
"""

from __future__ import annotations

from functools import partial
from inspect import signature

from prefect import flow_engine

_WAITS = "join_on_exit"


def end_at_once() -> None:
    """Have all flows of this process not wait; again and again without harm, and without effect on another Prefect."""
    heartbeats = getattr(flow_engine, "_send_heartbeats", None)
    if heartbeats is None or isinstance(heartbeats, partial) or _WAITS not in signature(heartbeats).parameters:
        return
    flow_engine._send_heartbeats = partial(heartbeats, **{_WAITS: False})
