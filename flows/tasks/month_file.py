"""A month's file: found at the source, downloaded into the cache, opened in the version that the ledger will name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import httpx

from blocks.settings import Settings
from flows.extract.download import Downloaded, SourceFile, discard, download, find_file
from flows.extract.download.cache import disk_errors
from flows.extract.download.download import cached_version as version_in_cache
from flows.extract.download.transfer import Progress
from flows.extract.read.cached_file import open_cached
from flows.extract.read.trip_file import TripFile
from flows.tasks.connect import http_client, month_url, source_block
from flows.tasks.policy import with_month_context
from flows.tlc.errors import NotTripFile, SourceBlocked, SourceUnavailable
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import probe_path
from flows.ui.cancellation import stoppable

# Times that a file is downloaded anew because it left the cache between its download and its opening.
_DOWNLOADS = 3

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoundMonth:
    """A month, and its file as the source has it."""

    request: MonthRequest
    file: SourceFile

    @property
    def cached_version(self) -> str | None:
        """The file's identity, as far as it is known without a download."""
        return version_in_cache(self.file, Settings().cache_dir)

    @contextmanager
    def context(self) -> Iterator[None]:
        """Errors raised within name the month and the file."""
        with with_month_context(self.request, self.file.url):
            yield


@dataclass(frozen=True)
class DownloadedMonth(FoundMonth):
    """A month, and its file in the cache."""

    downloaded: Downloaded

    @contextmanager
    def context(self) -> Iterator[None]:
        """Errors raised within name the month and the file; a file that cannot be read leaves the cache."""
        with super().context():
            try:
                yield
            except NotTripFile:
                with suppress(OSError):  # the file's error is the one to tell
                    discard(self.downloaded.path, self.downloaded.etag)
                raise


def find_month_file(request: MonthRequest) -> FoundMonth | None:
    """The month's file and its version at the source; None if it is not published."""
    with with_month_context(request):
        url = month_url(request)
        probe_url = source_block(request.source).url(probe_path(request.dataset, request.source))
    with with_month_context(request, url), http_client() as client:
        file = find_file(client, url, probe_url)
    return FoundMonth(request, file) if file else None


def download_month_file(found: FoundMonth, on_progress: Callable[[float], None]) -> DownloadedMonth:
    """Bring the file into the cache, whole and verified; ``on_progress`` is given the fraction done."""

    def show(done: int, total: int | None) -> None:
        on_progress(done / total if total else 0.0)

    with found.context(), http_client() as client:
        return DownloadedMonth(found.request, found.file, download_to_cache(client, found.file, show))


def download_to_cache(
    client: httpx.Client, file: SourceFile, on_progress: Progress | None = None, max_bytes: int | None = None
) -> Downloaded:
    """Download into the cache of the place and size that the settings name; see ``download``.

    ``max_bytes`` is by default what a trip file may have. Raises LoadStopped at the next MiB if the run is cancelled.
    """
    settings = Settings()
    return download(
        client,
        file,
        settings.cache_dir,
        keep_bytes=settings.cache_bytes,
        on_progress=stoppable(on_progress or (lambda _done, _total: None)),
        max_bytes=max_bytes or settings.file_bytes,
    )


@contextmanager
def opened(file: SourceFile, downloaded: Downloaded) -> Iterator[tuple[TripFile, Downloaded]]:
    """The downloaded file, open, and which version it is: what a load may write into its ledger.

    That is ``downloaded``, or what the source has now if the cache has lost or replaced that meanwhile. Raises
    NotTripFile if it is no trip file, and what a download raises.
    """
    with ExitStack() as stack:
        for _ in range(_DOWNLOADS):
            with disk_errors(downloaded.path, file.url):
                trip_file = open_cached(stack, downloaded.path, downloaded.etag)
            if trip_file is not None:
                yield trip_file, downloaded
                return
            logger.warning("%s is not in the cache any more in the version %s", file.where, downloaded.etag)
            downloaded = _download_again(file, downloaded.bytes_read)
        raise SourceUnavailable(
            f"{file.where} was removed from the download cache or replaced there {_DOWNLOADS} times before it could be "
            "opened. Run again; if it stays so, raise TLC_CACHE_GIB, or give this process a TLC_CACHE_DIR of its own.",
            url=file.where,
        )


def _download_again(file: SourceFile, bytes_read: int) -> Downloaded:
    """The version that the source has now; ``bytes_read`` for this file so far count too."""
    checked_at = datetime.now(UTC)
    with http_client() as client:
        now = None
        with suppress(SourceBlocked):  # 403 is also what TLC says of a file that is not there
            now = find_file(client, file.url, file.url)
        if now is None:
            raise SourceUnavailable(
                f"{file.where} is neither in the download cache any more, nor does the source give it: it was "
                "withdrawn, or the source refuses this client. Run again later.",
                url=file.where,
            )
        again = download_to_cache(client, now)
    return replace(again, bytes_read=bytes_read + again.bytes_read, rechecked_at=again.rechecked_at or checked_at)
