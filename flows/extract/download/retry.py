"""Retries of a source that fails: limits, waits between attempts, and the error when they are used up."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass, field

from flows.tlc.errors import SourceError, SourceUnavailable

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetryPolicy:
    """When to retry and when to give up. Times are in seconds."""

    failures: int = 6
    """Failed requests in a row, without one new byte between them, until SourceUnavailable."""
    requests: int = 200
    """Requests for one file in all, whatever their progress."""
    changes: int = 3
    """Times that the file may change during its download, until SourceChanged."""
    fresh_starts: int = 2
    """Downloads from zero after one that was whole but no trip file, until NotTripFile."""
    first_wait: float = 1.0
    """Wait after the first failure; doubles with each one in a row. Half of every wait is random."""
    longest_wait: float = 60.0
    longest_retry_after: float = 120.0
    """A server that asks for more than this (Retry-After) is asked again after this."""
    connect: float = 10.0
    """Wait for a connection."""
    read: float = 30.0
    """Silence on a connection after which it counts as broken."""
    slow_after: float = 60.0
    least_bytes: int = 60_000
    """A body of which less comes in ``slow_after`` counts as broken, and as no progress: 1 kB/s brings no file. So does
    an answer whose head, or next piece, takes longer."""

    def wait_after(self, failures: int, retry_after: float | None = None) -> float:
        """Seconds to wait after so many failures in a row."""
        backoff = min(self.first_wait * 2.0 ** (failures - 1), self.longest_wait)
        jittered = backoff * random.uniform(0.5, 1.0)  # noqa: S311 - spreads clients out, keeps no secret
        if retry_after is None:
            return jittered
        return min(max(retry_after, 0.0), self.longest_retry_after) + jittered


class TryAgain(Exception):
    """A request failed with a transient error; never leaves this package.

    ``final`` is the error to raise, and ``advice`` the next step to give, if retries do not help. If it
    ``is_progress``, bytes that came before it failed are worth another try.
    """

    def __init__(
        self,
        reason: str,
        *,
        retry_after: float | None = None,
        is_progress: bool = True,
        final: type[SourceError] = SourceUnavailable,
        advice: str = "The source is out of order or out of reach: run again later.",
    ):
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.is_progress = is_progress
        self.final = final
        self.advice = advice


@dataclass
class Attempts:
    """The requests for one file so far; waits after a failure, or raises its error."""

    url: str
    retry_policy: RetryPolicy
    failures: int = field(default=0, init=False)
    requests: int = field(default=0, init=False)

    def failed(self, failure: TryAgain, *, progressed: bool = False) -> None:
        """Count a failure and wait; raises the failure's ``final`` error when the limits are reached.

        ``progressed``: new bytes came before it failed, so neither it nor those before it count as in a row.
        """
        self.requests += 1
        self.failures = 0 if progressed and failure.is_progress else self.failures + 1
        if self.failures >= self.retry_policy.failures or self.requests >= self.retry_policy.requests:
            fruitless = f", the last {self.failures} in a row without progress" if self.failures else ""
            raise failure.final(
                f"{self.url} failed {self.requests} times{fruitless}; at last {failure.reason}. {failure.advice}",
                url=self.url,
            ) from failure
        wait = self.retry_policy.wait_after(max(self.failures, 1), failure.retry_after)
        logger.warning("%s: %s; trying again in %.1f s", self.url, failure.reason, wait)
        time.sleep(wait)
