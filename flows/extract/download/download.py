"""A whole, verified file: from the cache, or downloaded from the source into it."""

from __future__ import annotations

import hashlib
import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

from flows.extract.download.cache import CacheSlot, Version, disk_errors, make_room
from flows.extract.download.content_encoding import undo_encoding
from flows.extract.download.find import SourceFile
from flows.extract.download.part import Part
from flows.extract.download.retry import RetryPolicy
from flows.extract.download.transfer import MAX_BYTES, Progress, Transfer, too_long
from flows.extract.download.verify import verify_file
from flows.tlc.errors import NotTripFile
from flows.tlc.urls import plain_url

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Downloaded:
    """A whole file in the cache. Sizes are in bytes.

    ``etag`` names its content: the server's ETag as sent, or ``<length>-<sha256>`` if the server gives none.
    ``bytes_read`` is what came over the network in this call, repeats included; 0 if the cache had the file.
    ``rechecked_at`` is when the source was asked for this version, if it is not surely the one that was asked for.
    """

    path: Path
    etag: str
    bytes_read: int
    length: int
    rechecked_at: datetime | None = None


def download(
    client: httpx.Client,
    file: SourceFile,
    cache_dir: Path,
    *,
    keep_bytes: int,
    on_progress: Progress | None = None,
    retry_policy: RetryPolicy | None = None,
    max_bytes: int = MAX_BYTES,
) -> Downloaded:
    """The file, from the cache if that has this version, else from the source: whole and verified.

    Resumes after a broken connection or a killed process, and brings the version that the source has by then, which
    may be newer than ``file``. Two callers at once, in one process or two, download once. ``on_progress`` is given
    the bytes on disk and the file's length (None if unknown), at each MiB and at the end. The cache is pruned to
    ``keep_bytes`` before a download.

    Raises SourceUnavailable, SourceBlocked, SourceChanged, NotTripFile, SourceError for a file of more than
    ``max_bytes``, or TargetUnavailable for the cache's disk.
    """
    retry_policy = retry_policy or RetryPolicy()
    slot = CacheSlot.of(cache_dir, file.url)
    with ExitStack() as held:
        with disk_errors(slot.path, file.url):
            held.enter_context(slot.lock())
            cached = slot.identity_of(file)
        if cached is not None:
            return Downloaded(slot.path, cached, 0, slot.path.stat().st_size)
        part = Part(slot, file)
        if (file.length or 0) > max_bytes:
            raise too_long(file.where, max_bytes)
        with disk_errors(slot.path, file.url):
            make_room(cache_dir, max((file.length or 0) - part.size, 0), keep_bytes, file.url)
        transfer = Transfer(client, file, part, retry_policy, on_progress, max_bytes)
        version = _bring_whole(transfer, slot, retry_policy, max_bytes)
        with disk_errors(slot.path, file.url):
            identity = version.etag or _length_and_checksum(slot.part)
            slot.keep(Version(version, identity, part.size if part.size != version.length else None))
        rechecked_at = None if version.is_same_version(file) else transfer.source_checked_at
        return Downloaded(slot.path, identity, transfer.bytes_read, part.size, rechecked_at)


def cached_version(file: SourceFile, cache_dir: Path) -> str | None:
    """What ``Downloaded.etag`` would be for ``file``, as far as that can be said without a download.

    The server's ETag; if it gives none, the length and checksum of the version in the cache, if that is surely
    the same; else None.
    """
    if file.etag:
        return file.etag
    slot = CacheSlot.of(cache_dir, file.url)
    with disk_errors(slot.path, file.url):
        return slot.identity_of(file)


def _bring_whole(transfer: Transfer, slot: CacheSlot, retry_policy: RetryPolicy, max_bytes: int) -> SourceFile:
    """Download and verify; what came whole but wrong is downloaded from zero a few times before that is an error."""
    for starts_left in reversed(range(retry_policy.fresh_starts + 1)):
        try:
            version = transfer.run()
            undo_encoding(transfer.part, slot.path.name, version, max_bytes)
            where, name = plain_url(version.url), slot.path.name
            verify_file(slot.part, name, where, max_bytes=max_bytes, is_quoted=transfer.may_be_quoted)
        except NotTripFile as wrong:
            transfer.start_afresh()
            if not starts_left:
                raise
            logger.warning("%s Downloading it again from the start.", wrong.message)
            time.sleep(retry_policy.wait_after(1))
        else:
            return version
    raise AssertionError("a range of at least one start ends by return or raise")


def _length_and_checksum(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return f"{file.tell()}-{digest.hexdigest()}"
