"""Global concurrency limits: what the source, the database and the disk bear at once, over all workers."""

from __future__ import annotations

from http import HTTPStatus

from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError

# Slots of each limit: a month that a deployment loads takes one. Four months at once keep a small Postgres busy and
# are no burden to the source; `prefect global-concurrency-limit update tlc-months --limit 8` changes it for good.
MONTHS_LIMIT = "tlc-months"
LIMITS = {MONTHS_LIMIT: 4}


def ensure_limits() -> list[str]:
    """Make the limits that do not exist yet; those that do keep the number that somebody gave them. Their names."""
    with get_client(sync_client=True) as client:
        there = {limit.name for limit in client.read_global_concurrency_limits(limit=200)}
        for name, slots in LIMITS.items():
            if name in there:
                continue
            try:
                client.upsert_global_concurrency_limit_by_name(name, slots)
            except PrefectHTTPStatusError as error:  # made by another process meanwhile
                if error.response.status_code != HTTPStatus.CONFLICT:
                    raise
    return list(LIMITS)
