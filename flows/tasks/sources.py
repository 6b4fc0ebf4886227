"""The sources as the blocks have them, and a client to ask them with."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import httpx

from blocks.names import MIRROR_SOURCE, TLC_SOURCE
from blocks.register import load_block
from blocks.settings import Settings
from blocks.trip_data_source import TripDataSource
from flows.extract.cached_file import open_cached
from flows.extract.download.cache import disk_errors
from flows.extract.download.download import Downloaded, SourceFile, download, find_file
from flows.extract.download.transfer import Progress
from flows.extract.read.trip_file import TripFile
from flows.tlc.dataset import Source
from flows.tlc.errors import SourceBlocked, SourceUnavailable

# Times that a file is downloaded anew because it left the cache between its download and its opening.
_DOWNLOADS = 3

logger = logging.getLogger(__name__)


def source_name(source: Source) -> str:
    """The name of a source's block."""
    return MIRROR_SOURCE if source is Source.mirror else TLC_SOURCE


def source_block(source: Source) -> TripDataSource:
    """The block of a source."""
    block: TripDataSource = load_block(TripDataSource, source_name(source))
    return block


def download_to_cache(client: httpx.Client, file: SourceFile, on_progress: Progress | None = None) -> Downloaded:
    """The file in the cache, of the place and size that the settings name; see ``download``."""
    settings = Settings()
    return download(
        client,
        file,
        settings.cache_dir,
        keep_bytes=settings.cache_bytes,
        on_progress=on_progress,
        max_bytes=settings.file_bytes,
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
    asked_at = datetime.now(UTC)
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
    return replace(again, bytes_read=bytes_read + again.bytes_read, seen_at=again.seen_at or asked_at)


def work_dir() -> Path:
    """Where a load writes what is not to stay: beside the downloads, on the disk that has to be large anyway."""
    return Settings().cache_dir / "lake-tmp"


def http_client() -> httpx.Client:
    """A client for the source."""
    return httpx.Client(verify=_tls())


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # reads all of the system's certificates: 50 ms, once a process
