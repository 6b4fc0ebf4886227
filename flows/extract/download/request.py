"""One HTTP request: its transient failures all become ``TryAgain``, and its errors never show a signed URL."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from flows.extract.download.patience import Patience, patience_of
from flows.extract.download.redirects import send_following
from flows.extract.download.retry import RetryPolicy, TryAgain
from flows.tlc.errors import ParameterError, SourceBlocked, SourceError, SourceUnavailable
from flows.tlc.urls import plain_url

_TRANSIENT = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
REFUSALS = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
    HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS,
}
UNBLOCK = "Wait an hour, load fewer months at once, or go through another network."


@contextmanager
def open_response(
    client: httpx.Client, method: str, url: str, retry_policy: RetryPolicy, headers: Mapping[str, str] | None = None
) -> Iterator[httpx.Response]:
    """The response to one request, body unread; redirects are followed.

    Raises TryAgain for transient errors (no connection, no answer or none that ends, 429, 5xx), ParameterError for an
    impossible URL and SourceError for a redirect to an internal address.
    """
    patience = Patience(retry_policy)
    try:
        request = client.build_request(
            method,
            url,
            # Without identity a server may compress on the fly: no length, no ranges, other bytes than the file's.
            headers={"Accept-Encoding": "identity", **(headers or {})},
            timeout=httpx.Timeout(retry_policy.read, connect=retry_policy.connect, read=patience),
            extensions={"trace": patience},
        )
        response = send_following(client, request)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:  # UnicodeError: a host's long label
        where = plain_url(url)
        raise ParameterError(f"{where} is no URL to ask: {error}. Check the source's base URL.", url=where) from error
    except httpx.RequestError as error:
        raise TryAgain(_reason(error, retry_policy)) from error
    try:
        if _is_transient(response.status_code):
            raise TryAgain(f"it answered {response.status_code}", retry_after=_retry_after(response))
        yield response
    finally:
        response.close()


def read_body(response: httpx.Response, retry_policy: RetryPolicy) -> Iterator[bytes]:
    """The body as it comes off the wire, undecoded; TryAgain if it breaks off, falls silent, or all but that."""
    window, due = 0, time.monotonic() + retry_policy.slow_after
    patience = patience_of(response)
    patience.wait_anew()
    try:
        for piece in response.iter_raw():
            window += len(piece)
            if time.monotonic() >= due:
                if window < retry_policy.least_bytes:
                    raise TryAgain(f"only {window:,} bytes came in {retry_policy.slow_after:g} s", is_progress=False)
                window, due = 0, time.monotonic() + retry_policy.slow_after
            yield piece
            patience.wait_anew()
    except httpx.RequestError as error:
        raise TryAgain(_reason(error, retry_policy)) from error


def is_redirected(url: str, response: httpx.Response) -> bool:
    """Whether another host than the URL's has answered: of what it says, nothing is to be shown."""
    return response.url.host != httpx.URL(url).host


def refusal(url: str, response: httpx.Response) -> SourceError:
    """The error for a status that a retry does not change."""
    where, status = plain_url(url), response.status_code
    redirected = f" (redirected to {response.url.host})" if is_redirected(url, response) else ""
    answered = f"{where} answered {status}{redirected}"
    if status in REFUSALS:
        return SourceBlocked(f"{answered}: the source refuses this client. {UNBLOCK}", url=where)
    return SourceUnavailable(f"{answered}, expected 200. Check the source's base URL.", url=where)


def _is_transient(status: int) -> bool:
    return status in _TRANSIENT or (status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED)


def _reason(error: httpx.RequestError, retry_policy: RetryPolicy) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return f"it did not take the connection within {retry_policy.connect:g} s"
    if isinstance(error, httpx.TimeoutException):
        return f"nothing came for {retry_policy.read:g} s"
    words = str(error) or type(error).__name__
    if isinstance(error, httpx.RemoteProtocolError):  # after the colon it quotes what the server sent
        words = words.partition(":")[0]
    return f"the connection failed ({words})"


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that the server asks to wait: a number, or the time until an HTTP date."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # TypeError: a date without a zone
        return None
