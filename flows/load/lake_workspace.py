"""Folders for files on their way into the lake: gone at the end, and after a kill by the next load's hand."""

from __future__ import annotations

import errno
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from flows.tlc.errors import TargetUnavailable

_LOCK = ".lock"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_LARGER_DISK = "Free space there, or set TLC_CACHE_DIR to a folder on a larger disk."


@contextmanager
def workspace(parent: Path, needed_bytes: int) -> Iterator[Path]:
    """An empty folder below ``parent`` on a disk with ``needed_bytes`` to spare; raises TargetUnavailable else.

    Also removes the folders of processes that ended without doing so: their locks are free.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(parent)
        free = shutil.disk_usage(parent).free
        if free < needed_bytes:
            raise TargetUnavailable(
                f"the month's Parquet files need up to {needed_bytes / 1e6:,.0f} MB in {parent}, whose disk has "
                f"{free / 1e6:,.0f} MB free. {_LARGER_DISK}"
            )
        folder = parent / uuid.uuid4().hex
        with FileLock(_lock_of(folder)):
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                _lock_of(folder).unlink(missing_ok=True)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise TargetUnavailable(f"the disk of {parent} is full. {_LARGER_DISK}") from error


def _remove_abandoned(parent: Path) -> None:
    for lock in parent.glob(f"*{_LOCK}"):
        try:
            with FileLock(lock, timeout=0):
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                lock.unlink(missing_ok=True)
        except (Timeout, OSError):  # its process lives
            continue


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{_LOCK}")
