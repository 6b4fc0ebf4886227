"""A slot of the limit over all workers, for months that deployments load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.concurrency.sync import concurrency
from prefect.runtime import deployment

from blocks.limits import MONTHS_LIMIT


@contextmanager
def month_slot() -> Iterator[None]:
    """Hold a slot of ``tlc-months`` in a deployment's run; a plain Python call is nobody else's business.

    Raises where the limit does not exist: one that is not there would protect nothing, and say so nowhere.
    """
    if deployment.get_id() is None:
        yield
        return
    with concurrency(MONTHS_LIMIT, strict=True):
        yield
