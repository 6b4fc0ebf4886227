"""How long an answer may take: a server that sends a byte now and then is never silent, and never done."""

from __future__ import annotations

import time
from typing import Any

import httpx

from flows.extract.download.retry import RetryPolicy, TryAgain


class Patience(float):
    """The seconds of silence that a read may take, as httpx hands them to each read; and the end of all of them.

    What is waited for, a head or a piece of a body, may take ``slow_after`` seconds, whatever it is made of: header
    lines, interim answers, the lengths and trailers of chunks. httpcore looks at none of these until they are whole.
    As the trace of a request it sees to it that its connections ask before they read; kept ones have done so since.
    """

    def __new__(cls, retry_policy: RetryPolicy) -> Patience:
        return super().__new__(cls, retry_policy.read)

    def __init__(self, retry_policy: RetryPolicy):
        self._seconds = retry_policy.slow_after
        self.wait_anew()

    def wait_anew(self) -> None:
        """Begin the time of what is waited for now."""
        self._until = time.monotonic() + self._seconds

    def check(self) -> None:
        """Raise TryAgain if the time is up."""
        if time.monotonic() >= self._until:
            raise TryAgain(f"it sent too little to go on for {self._seconds:g} s", is_progress=False)

    def __call__(self, event: str, info: dict[str, Any]) -> None:
        """Told by httpcore of each step of a request."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            _check_before_reads(info["return_value"])
        elif event.endswith(".receive_response_headers.started"):
            self.wait_anew()


def patience_of(response: httpx.Response) -> Patience:
    """That of the request to which this is the response."""
    patience: Patience = response.request.extensions["timeout"]["read"]
    return patience


def _check_before_reads(stream: Any) -> None:
    """Have each read of a connection ask the patience of the request for which it reads."""
    read = stream.read

    def checked(max_bytes: int, timeout: float | None = None) -> bytes:
        if isinstance(timeout, Patience):
            timeout.check()
        found: bytes = read(max_bytes, timeout)
        return found

    stream.read = checked
