"""What a source says about one file, without downloading it: is it there, and which version is it?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Self

import httpx

from flows.extract.download.request import UNBLOCK, open_response, refusal
from flows.extract.download.retry import Attempts, RetryPolicy, TryAgain
from flows.tlc.errors import SourceBlocked, SourceError
from flows.tlc.urls import plain_url

FOUND = {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}
ABSENT = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
# Requests at a time while many files are asked for: a browser's six would be no more polite, and 500 months take a
# few seconds.
AT_ONCE = 4
_LENGTH_DIGITS = 19  # of 9 exbibytes
_LONGEST_HEADER = 300  # those of ETags at large file servers have 34 to 70
HEAD_REFUSED = {HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}


@dataclass(frozen=True)
class SourceFile:
    """One version of a file at a source; ``length`` in bytes, the rest as the server wrote it, None if it did not.

    None too if it has control characters or hundreds of letters, which no server of files sends.

    ``url`` is the one asked for, not the one that it redirects to. ``encoding`` is the Content-Encoding: ``length``
    and ``etag`` are then of the encoded body.
    """

    url: str
    etag: str | None
    length: int | None
    last_modified: str | None
    encoding: str | None = None

    @classmethod
    def described_by(cls, url: str, response: httpx.Response) -> Self:
        """The version that a 200 or 206 response is (a piece) of. Raises TryAgain if its length is no file's."""
        content_range = response.headers.get("Content-Range", "")
        total = content_range.rpartition("/")[2] if content_range else response.headers.get("Content-Length", "")
        if len(total) > _LENGTH_DIGITS:
            raise TryAgain(f"it announced a length of {len(total):,} digits")
        return cls(
            url=url,
            etag=_header(response, "ETag"),
            length=int(total) if total.isdecimal() else None,
            last_modified=_header(response, "Last-Modified"),
            encoding=_header(response, "Content-Encoding"),
        )

    @property
    def where(self) -> str:
        """The URL for people: without what may be secret in it."""
        return plain_url(self.url)

    @property
    def strong_etag(self) -> str | None:
        """The ETag if it promises the same bytes; a weak one promises only the same meaning."""
        return None if self.etag is None or self.etag.startswith("W/") else self.etag

    @property
    def resumable_by(self) -> str | None:
        """The ETag with which a download may go on halfway: not of a body that is encoded while it is sent."""
        return self.strong_etag if self.encoding is None or self.length is not None else None

    def is_same_version(self, other: SourceFile) -> bool:
        """Whether both are the same version beyond doubt: by ETag, else by length and Last-Modified together."""
        if self.encoding == other.encoding and not may_equal(self.length, other.length):
            return False
        if self.etag or other.etag:
            return self.etag == other.etag
        is_known = None not in (self.length, self.last_modified) and self.encoding == other.encoding
        return is_known and self.last_modified == other.last_modified


def _header(response: httpx.Response, name: str) -> str | None:
    value: str = response.headers.get(name, "")
    return value if value and value.isprintable() and len(value) <= _LONGEST_HEADER else None


def may_equal(one: int | None, other: int | None) -> bool:
    """Whether two lengths are the same, as far as both are known."""
    return one == other or None in (one, other)


@dataclass(frozen=True)
class _Probe:
    """What one look at a URL gave: its status, the file if it is there, and the error to raise if it should be."""

    status: int
    file: SourceFile | None
    refusal: SourceError


def find_file(
    client: httpx.Client, url: str, probe_url: str, *, retry_policy: RetryPolicy | None = None
) -> SourceFile | None:
    """The file at ``url`` as the source describes it now; None if the source has not published it.

    404 is "not published". So is 403 (TLC's way of saying it), but only if ``probe_url``, a file that surely exists,
    is served. Raises SourceBlocked if that is refused too, SourceUnavailable if the source keeps failing.
    """
    retry_policy = retry_policy or RetryPolicy()
    return _find(client, url, retry_policy, probe_url, lambda: _probe(client, probe_url, retry_policy))


def find_files(
    client: httpx.Client,
    urls: Sequence[str],
    probe_url: str,
    *,
    at_once: int = AT_ONCE,
    retry_policy: RetryPolicy | None = None,
) -> list[SourceFile | None]:
    """What ``find_file`` says of each URL, with few requests at a time and the known file asked for once at most."""
    retry_policy = retry_policy or RetryPolicy()
    lock = threading.Lock()
    answers: list[_Probe] = []

    def known() -> _Probe:
        with lock:
            if not answers:
                answers.append(_probe(client, probe_url, retry_policy))
            return answers[0]

    with ThreadPoolExecutor(at_once, "find") as pool:
        found = [pool.submit(_find, client, url, retry_policy, probe_url, known) for url in urls]
        try:
            return [each.result() for each in found]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _find(
    client: httpx.Client, url: str, retry_policy: RetryPolicy, probe_url: str, ask_for_known: Callable[[], _Probe]
) -> SourceFile | None:
    seen = _probe(client, url, retry_policy)
    if seen.file is not None:
        return seen.file
    if seen.status in ABSENT:
        return None
    if seen.status != HTTPStatus.FORBIDDEN:
        raise seen.refusal
    known = ask_for_known()
    if known.file is not None:
        return None
    where, known_where = plain_url(url), plain_url(probe_url)
    raise SourceBlocked(
        f"{where} answered {seen.status}, which could mean 'not published', but {known_where}, which surely exists, "
        f"answered {known.status} instead of 200: the source refuses this client. {UNBLOCK} "
        f"If {known_where} does not open in a browser on another network either, check the source's base URL.",
        url=where,
    )


def _probe(client: httpx.Client, url: str, retry_policy: RetryPolicy) -> _Probe:
    attempts = Attempts(plain_url(url), retry_policy)
    while True:
        try:
            seen = _ask(client, "HEAD", url, retry_policy)
            # A signed URL is signed for one method, and some servers know no HEAD: ask for one byte instead.
            if seen.status in HEAD_REFUSED:
                return _ask(client, "GET", url, retry_policy)
            if seen.file is None or seen.file.length != 0:
                return seen
            # No trip file is empty, but to some servers every HEAD is. If GET does not tell either, the download does.
            asked = _ask(client, "GET", url, retry_policy)
            return asked if asked.file else replace(seen, file=replace(seen.file, length=None))
        except TryAgain as failure:
            attempts.failed(failure)


def _ask(client: httpx.Client, method: str, url: str, retry_policy: RetryPolicy) -> _Probe:
    headers = {"Range": "bytes=0-0"} if method == "GET" else {}
    with open_response(client, method, url, retry_policy, headers) as response:
        file = SourceFile.described_by(url, response) if response.status_code in FOUND else None
        return _Probe(response.status_code, file, refusal(url, response))
