"""What all tasks that touch the outside have in common: when they are retried, and what their errors say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import CancelledRun, CrashedRun, PausedRun
from prefect.flow_engine import FlowRunTimeoutError
from prefect.task_engine import TaskRunTimeoutError
from prefect.tasks import exponential_backoff

from flows.tasks.run_end import end_at_once
from flows.tlc.errors import (
    BrokerUnavailable,
    PrefectUnavailable,
    SourceUnavailable,
    TargetBusy,
    TargetLocked,
    TargetUnavailable,
    TripLoadError,
    UnexpectedError,
)
from flows.tlc.identity import MonthRequest
from flows.tlc.urls import plain_url

# Errors that a retry may not meet again; everything else fails at once, with what to do in its message.
_TRANSIENT = (SourceUnavailable, TargetUnavailable, TargetBusy, BrokerUnavailable, PrefectUnavailable)


def _is_transient(_task: Any, _run: Any, state: Any) -> bool:
    error = state.result(raise_on_failure=False)
    # A lock that was waited for is not retried here: each retry would build the month anew first.
    return isinstance(error, _TRANSIENT) and not isinstance(error, TargetLocked)


# One policy for all that touches the outside. The download itself resumes many times before it counts as failed.
RETRY_TRANSIENT: dict[str, Any] = {
    "retries": 2,
    "retry_delay_seconds": exponential_backoff(backoff_factor=10),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _is_transient,
    "cache_policy": NO_CACHE,
    "persist_result": False,
}


# With these Prefect ends a run; what it raises to cancel or pause one is no Exception at all.
_ENDS_OF_RUNS = (FlowRunTimeoutError, TaskRunTimeoutError, CancelledRun, CrashedRun, PausedRun)
_MOST_CHARACTERS = 500

end_at_once()  # of every process that runs a flow: all of them import this module


@contextmanager
def with_month_context(request: MonthRequest, url: str | None = None) -> Iterator[None]:
    """Every error raised within is one of this project's, and names the month and the file."""
    with _with_context(str(request.dataset), str(request.month), plain_url(url) if url else None):
        yield


@contextmanager
def with_context(dataset: str, month: str | None = None) -> Iterator[None]:
    """Every error raised within is one of this project's, and names the dataset, and the month if it is given."""
    with _with_context(dataset, month, None):
        yield


@contextmanager
def _with_context(dataset: str, month: str | None, url: str | None) -> Iterator[None]:
    try:
        yield
    except TripLoadError as error:
        error.with_context(dataset, month, url)
        raise  # itself: another one would hide the line that raised it
    except _ENDS_OF_RUNS:
        raise
    except httpx.HTTPError as error:  # Prefect's: extract turns those of the source into the project's own
        raise PrefectUnavailable(
            f"Prefect's server does not answer as it should ({_first_line(error)}). Look at its log and "
            "at PREFECT_API_URL, and run again.",
            dataset=dataset,
            month=month,
            url=url,
        ) from error
    except Exception as error:
        raise UnexpectedError(
            f"{_first_line(error)}. Nothing in this project expects that: mend it if it says what is wrong, else "
            "report it with the traceback in the run's log.",
            dataset=dataset,
            month=month,
            url=url,
        ) from error


def _first_line(error: Exception) -> str:
    """Kind and message of a library's error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:_MOST_CHARACTERS]}".rstrip(".: ")
