"""One download into the cache's part file, over as many requests as it takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import NoReturn

import httpx

from flows.extract.download.find import ABSENT, SourceFile, may_equal
from flows.extract.download.part import Part
from flows.extract.download.request import UNBLOCK, is_redirected, open_response, read_body, refusal
from flows.extract.download.retry import Attempts, RetryPolicy, TryAgain
from flows.tlc.errors import NotTripFile, SourceBlocked, SourceChanged, SourceError
from flows.tlc.urls import plain_url

Progress = Callable[[int, int | None], None]
REPORT_BYTES = 1024**2  # between two calls of on_progress
# The largest file of the catalogue has 0.6 GB, and as CSV it has 5 at most: 24 million rows of 190 bytes, the longest
# of the samples. A body without an announced length would else have no end, nor what a gzip file is decompressed to.
MAX_BYTES = 8 * 1024**3


class Transfer:
    """Fills ``part`` from the source until it is the whole of one version. ``bytes_read`` counts what really came.

    ``source_checked_at`` is just before the last request: the source had the part's version then. ``may_be_quoted``
    says whether all of the part is surely from the host that was asked for.
    """

    def __init__(
        self,
        client: httpx.Client,
        wanted: SourceFile,
        part: Part,
        retry_policy: RetryPolicy,
        on_progress: Progress | None = None,
        max_bytes: int = MAX_BYTES,
    ):
        self.part = part
        self.bytes_read = 0
        self.source_checked_at: datetime | None = None
        self.may_be_quoted = not part.size
        self._client = client
        self._wanted = wanted
        self._where = plain_url(wanted.url)
        self._retry_policy = retry_policy
        self._attempts = Attempts(self._where, retry_policy)
        self._changes = 0
        self._furthest = part.size
        self._on_progress = on_progress
        self._max_bytes = max_bytes
        self._reported = -REPORT_BYTES

    def run(self) -> SourceFile:
        """Download what is missing; returns the version that the part is now the whole of.

        Raises SourceUnavailable, SourceBlocked or SourceChanged when the retries are used up, NotTripFile if
        another number of bytes came than was announced, SourceError if they are too many, TargetUnavailable if
        the disk fails.
        """
        while not self.part.is_whole:
            try:
                self._request_rest()
            except TryAgain as failure:
                self._attempts.failed(failure, progressed=self._got_further())
            finally:
                self.part.close()
        assert self.part.origin is not None
        self._check_length(self.part.origin)
        return self.part.origin

    def start_afresh(self) -> None:
        """Forget what has arrived; the next run begins at zero."""
        self.part.drop()
        self._furthest = 0
        self.may_be_quoted = True

    def _request_rest(self) -> None:
        resumed = self.part.origin if self.part.size and self.part.origin else None
        etag = resumed.resumable_by if resumed else None
        headers = {"Range": f"bytes={self.part.size}-", "If-Range": etag} if etag else {}
        self.source_checked_at = datetime.now(UTC)
        with open_response(self._client, "GET", self._wanted.url, self._retry_policy, headers) as response:
            self.may_be_quoted = self.may_be_quoted and not is_redirected(self._wanted.url, response)
            if response.status_code == HTTPStatus.PARTIAL_CONTENT and resumed:
                self._check_continues(resumed, response)
            elif response.status_code == HTTPStatus.OK:
                self._begin(resumed, response)
            else:
                self._give_up_or_try_again(response)
            self._receive(response)

    def _begin(self, resumed: SourceFile | None, response: httpx.Response) -> None:
        """Take a whole file from its first byte: the first request, or a server that knows no (or not this) range."""
        origin = SourceFile.described_by(self._wanted.url, response)
        if resumed and resumed.etag != origin.etag:
            self._count_change()
        self.part.begin(origin)

    def _check_continues(self, resumed: SourceFile, response: httpx.Response) -> None:
        """Make sure that a 206 goes on where the part ends, in the same version: servers ignore If-Range."""
        origin = SourceFile.described_by(self._wanted.url, response)
        same = (origin.etag, origin.encoding) == (resumed.etag, resumed.encoding)
        if not same or not may_equal(origin.length, resumed.length):
            self._count_change()
            self.start_afresh()
            raise TryAgain("the file changed while it was downloaded")
        if not re.match(rf"bytes {self.part.size}-", response.headers.get("Content-Range", "")):
            self.start_afresh()
            raise TryAgain("it sent another range than it was asked for")

    def _count_change(self) -> None:
        self._changes += 1
        self._furthest = 0
        if self._changes > self._retry_policy.changes:
            self.part.drop()
            raise SourceChanged(
                f"{self._where} changed {self._changes} times while it was downloaded: it is being published just now, "
                "or two servers have two versions of it. Run again in an hour.",
                url=self._where,
            )

    def _give_up_or_try_again(self, response: httpx.Response) -> NoReturn:
        status = response.status_code
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            self.start_afresh()
            raise TryAgain("it has no such range any more")
        if status == HTTPStatus.FORBIDDEN:  # it was there a moment ago: TLC throttles with 403
            raise TryAgain("it answered 403", final=SourceBlocked, advice=UNBLOCK)
        if status in ABSENT:
            advice = "It was there a moment ago: it may have been withdrawn. Run again later."
            raise TryAgain(f"it answered {status}", advice=advice)
        raise refusal(self._wanted.url, response)

    def _receive(self, response: httpx.Response) -> None:
        self._report()
        assert self.part.origin is not None
        self._check_bound(self.part.origin.length or 0)
        for piece in read_body(response, self._retry_policy):
            self.bytes_read += len(piece)
            self._check_bound(self.part.size + len(piece))
            self.part.append(piece)
            self._report()
        if self.part.origin.length is None:
            self.part.end()
        elif not self.part.is_whole:
            raise TryAgain(f"it sent {self.part.origin.length - self.part.size:,} bytes fewer than it announced")

    def _check_bound(self, length: int) -> None:
        if length > self._max_bytes:
            self.part.drop()
            raise too_long(self._where, self._max_bytes)

    def _check_length(self, origin: SourceFile) -> None:
        is_same = self._wanted.etag and (self._wanted.etag, self._wanted.encoding) == (origin.etag, origin.encoding)
        announced = self._wanted.length if is_same else None
        for expected in (origin.length, announced):
            if expected is not None and expected != self.part.size:
                raise NotTripFile(
                    f"{self._where} sent {self.part.size:,} bytes, expected {expected:,} as the server announced. "
                    "Run again later; if it stays so, the file is broken at the source or in a proxy on the way.",
                    url=self._where,
                )

    def _got_further(self) -> bool:
        furthest, self._furthest = self._furthest, max(self.part.size, self._furthest)
        return self._furthest > furthest

    def _report(self) -> None:
        size, length = self.part.size, self.part.origin.length if self.part.origin else None
        if self._on_progress and (size == length or abs(size - self._reported) >= REPORT_BYTES):
            self._reported = size
            self._on_progress(size, length)


def too_long(where: str, max_bytes: int, when: str = "") -> SourceError:
    """The error for what is longer than any file of its kind."""
    size = f"{max_bytes / 1024**3:g} GiB" if max_bytes >= 1024**3 else f"{max_bytes / 1024**2:g} MiB"
    return SourceError(
        f"{where} is longer than {size}{when}: the largest trip file has 0.6 GiB, the list of zones 12 kB. See what "
        "the source delivers there; if that is right for a trip file, set TLC_FILE_GIB to more and run again.",
        url=where,
    )
