"""The folder of downloaded files: where each one lies, which version it is, who may touch it, how large it grows.

<cache_dir>/<12 hex digits: host and folder of the URL>/green_tripdata_2020-12.parquet        a whole file
                                                        green_tripdata_2020-12.parquet.json   which version it is
                                                        green_tripdata_2020-12.parquet.part   a download under way
                                                        green_tripdata_2020-12.parquet.part.json
                                                        green_tripdata_2020-12.parquet.lock   held by a writer
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from filelock import FileLock, Timeout

from flows.extract.download.find import SourceFile
from flows.tlc.disk import FULL, LARGER_DISK
from flows.tlc.errors import TargetUnavailable
from flows.tlc.urls import plain_url

SPARE_SECONDS = 600.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Version:
    """A version of a file on disk; ``identity`` names its content: the ETag, or ``<length>-<sha256>``.

    ``decoded`` is its length on disk if that is not the one of its transfer.
    """

    file: SourceFile
    identity: str | None = None
    decoded: int | None = None


@dataclass(frozen=True)
class CacheSlot:
    """The place of one URL's file in the cache. Only who holds ``lock`` may write there."""

    path: Path

    @classmethod
    def of(cls, cache_dir: Path, url: str) -> CacheSlot:
        """The slot of ``url``; files of the same name from two hosts or folders have two slots."""
        parts = urlsplit(url)
        place = PurePosixPath(unquote(parts.path))
        folder = hashlib.sha256(f"{parts.netloc}{place.parent}?{parts.query}".encode()).hexdigest()[:12]
        return cls(cache_dir / folder / place.name)

    @property
    def part(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part")

    @contextmanager
    def lock(self, wait: bool = True) -> Iterator[None]:
        """Keep all other processes and threads out; ``wait=False`` raises filelock.Timeout if one is in."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{self.path}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not wait:
                raise
            logger.info("waiting for another process or thread that has %s", self.path.name)
            lock.acquire()
        try:
            self._remove_links()
            yield
        finally:
            lock.release()

    def _remove_links(self) -> None:
        """Nothing here is a link: by one, somebody else who may write here would have us write to another file."""
        if self.path.parent.is_symlink():
            raise OSError(errno.ELOOP, f"{self.path.parent} is a link")
        for path in (self.path, self.part):
            for own in (path, note_path(path), _unfinished_note(path)):
                if own.is_symlink():
                    own.unlink()

    def identity_of(self, file: SourceFile) -> str | None:
        """The identity of the whole file here if it is surely the version ``file``; None if there is none such."""
        kept = read_version(self.path)
        if kept is None or not self.has_whole(kept) or not kept.file.is_same_version(file):
            return None
        os.utime(self.path)  # used now: the last that prune removes
        return kept.identity

    def has_whole(self, kept: Version) -> bool:
        """Whether the file is there with all of the bytes that ``kept``, what is written down about it, says."""
        stat = _stat(self.path)
        return stat is not None and stat.st_size == (kept.decoded or kept.file.length)

    def keep(self, version: Version) -> None:
        """Make the part, whole and verified, the file. A crash at any point leaves no file with a wrong version."""
        with self.part.open("rb") as part:
            os.fsync(part.fileno())
        note_path(self.path).unlink(missing_ok=True)
        self.part.replace(self.path)
        write_version(self.path, version)
        note_path(self.part).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove file and part, and what is known of them."""
        for path in (self.path, self.part):
            note_path(path).unlink(missing_ok=True)
            path.unlink(missing_ok=True)


def note_path(path: Path) -> Path:
    """Where the version of a file, or of a part, is written down."""
    return path.with_name(f"{path.name}.json")


def _unfinished_note(path: Path) -> Path:
    return note_path(path).with_suffix(".tmp")


def read_version(path: Path) -> Version | None:
    """What is written down about ``path``; None if nothing is, or nothing readable."""
    try:
        note = json.loads(note_path(path).read_text(encoding="utf-8"))
        return Version(SourceFile(**note["file"]), note["identity"], note.get("decoded"))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_version(path: Path, version: Version) -> None:
    """Write down which version ``path`` is, whole or not at all; of the URL, only what is no secret."""
    shown = replace(version, file=replace(version.file, url=version.file.where))
    unfinished = _unfinished_note(path)
    unfinished.write_text(json.dumps(asdict(shown)), encoding="utf-8")
    unfinished.replace(note_path(path))


def discard(path: Path, identity: str) -> None:
    """Remove a downloaded file that turned out to be unreadable, so that the next download fetches it again.

    If another version has replaced it meanwhile, that stays.
    """
    slot = CacheSlot(path)
    with slot.lock():
        kept = read_version(path)
        if kept is None or kept.identity == identity:
            slot.remove()


def prune(cache_dir: Path, keep_bytes: int, *, spare_seconds: float = SPARE_SECONDS) -> int:
    """Remove the least recently used files until ``keep_bytes`` are left; returns how many bytes went.

    Spares what is being downloaded (locked) and what was used in the last ``spare_seconds``: somebody may be about to
    open it. So the cache may be larger than ``keep_bytes`` for that long.
    """
    slots = sorted(_slots(cache_dir), key=lambda entry: entry[1])
    excess = sum(size for *_, size in slots) - keep_bytes
    freed = 0
    for slot, used, size in slots:
        if freed >= excess or used > time.time() - spare_seconds:
            break
        try:
            with slot.lock(wait=False):
                slot.remove()
        except OSError:  # in use (filelock.Timeout is one), or another user's: the next one, then
            continue
        freed += size
    return freed


def make_room(cache_dir: Path, needed_bytes: int, keep_bytes: int, url: str) -> None:
    """Prune so that ``needed_bytes`` more fit the bound and the disk; TargetUnavailable if the disk is too full."""
    prune(cache_dir, max(keep_bytes - needed_bytes, 0))
    lacking = needed_bytes - shutil.disk_usage(cache_dir).free
    if lacking > 0:
        lacking -= prune(cache_dir, max(sum(size for *_, size in _slots(cache_dir)) - lacking, 0))
    if lacking > 0:
        free = shutil.disk_usage(cache_dir).free
        raise TargetUnavailable(
            f"{plain_url(url)} needs {needed_bytes / 1e6:.1f} MB in the download cache {cache_dir}, "
            f"whose disk has {free / 1e6:.1f} MB free. {LARGER_DISK}",
            url=plain_url(url),
        )


@contextmanager
def disk_errors(path: Path, url: str) -> Iterator[None]:
    """Turn an error of the disk into TargetUnavailable that names the cache and what to do."""
    try:
        yield
    except OSError as error:
        where, folder = plain_url(url), path.parent.parent
        advice = LARGER_DISK if error.errno in FULL else "Set TLC_CACHE_DIR to a folder that this user may write to."
        raise TargetUnavailable(
            f"{where} cannot be kept in the download cache {folder}: {error.strerror or error}. {advice}", url=where
        ) from error


def _slots(cache_dir: Path) -> Iterator[tuple[CacheSlot, float, int]]:
    """Every slot that holds something, when it was last used (seconds since 1970), and its bytes."""
    for lock in cache_dir.glob("*/*.lock"):
        # Only what this module named: the folder may be shared with things that are not ours to remove.
        if not re.fullmatch(r"[0-9a-f]{12}", lock.parent.name):
            continue
        slot = CacheSlot(lock.with_suffix(""))
        stats = [stat for path in (slot.path, slot.part) if (stat := _stat(path))]
        if stats:
            yield slot, max(stat.st_mtime for stat in stats), sum(stat.st_size for stat in stats)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:  # a download under way may rename it at any time
        return None
