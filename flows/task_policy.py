"""What all tasks that touch the outside have in common: when they are tried again, and what their errors say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from flows.extract.download import Downloaded, discard
from flows.extract.request import plain_url
from flows.tlc.errors import NotTripFile, SourceUnavailable, TargetBusy, TargetUnavailable, TripLoadError
from flows.tlc.identity import MonthRequest

# What running again may mend; everything else fails at once, with what to do in its message.
_PASSING = (SourceUnavailable, TargetUnavailable, TargetBusy)


def _may_pass(_task: Any, _run: Any, state: Any) -> bool:
    return isinstance(state.result(raise_on_failure=False), _PASSING)


# One policy for all that touches the outside. The download itself resumes many times before it counts as failed.
OUTSIDE: dict[str, Any] = {
    "retries": 2,
    "retry_delay_seconds": exponential_backoff(backoff_factor=10),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _may_pass,
    "cache_policy": NO_CACHE,
    "persist_result": False,
}


@contextmanager
def about_month(request: MonthRequest, url: str) -> Iterator[None]:
    """Have every error say which month and file it is about."""
    try:
        yield
    except TripLoadError as error:
        raise error.located(str(request.dataset), str(request.month), plain_url(url)) from error.__cause__


@contextmanager
def located(dataset: str) -> Iterator[None]:
    """Have every error say which dataset it is about, where it does not know the month either."""
    try:
        yield
    except TripLoadError as error:
        raise error.located(dataset, None) from error.__cause__


@contextmanager
def discarding_damaged(downloaded: Downloaded) -> Iterator[None]:
    """Forget the cached file where it turns out that it cannot be read, so that the next run gets it anew."""
    try:
        yield
    except NotTripFile:
        discard(downloaded.path)
        raise
