"""A slot of the limit over all workers, for months that deployments load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.concurrency.sync import concurrency
from prefect.runtime import deployment

from blocks.limits import MONTHS_LIMIT, ensure_limits


@contextmanager
def month_slot() -> Iterator[None]:
    """Hold a slot of ``tlc-months`` in a deployment's run; a plain Python call is nobody else's business.

    The limit is made where it is missing: Prefect would wait for none, and a limit that is not there protects nothing.
    The slot is leased for five minutes at a time, and free so long after its holder was killed. A month under way goes
    on where the lease could not be renewed because the server was away: to end it would help nobody.
    """
    if deployment.get_id() is None:
        yield
        return
    ensure_limits()
    with concurrency(MONTHS_LIMIT, strict=True, raise_on_lease_renewal_failure=False):
        yield
