"""Folders for files on their way into the lake: gone at the end; after a kill, the next load removes them."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from flows.load.work_disk import work_disk_errors
from flows.tlc.disk import FULL, LARGER_DISK
from flows.tlc.errors import TargetUnavailable

_LOCK = ".lock"


@contextmanager
def workspace(parent: Path, needed_bytes: int) -> Iterator[Path]:
    """An empty folder below ``parent`` on a disk with ``needed_bytes`` to spare; else raises TargetUnavailable.

    Also removes the folders of processes that ended without doing so: their locks are free.
    """
    with work_disk_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(parent)
        free = shutil.disk_usage(parent).free
    if free < needed_bytes:
        raise TargetUnavailable(
            f"the month's Parquet files need up to {needed_bytes / 1e6:,.0f} MB in {parent}, whose disk has "
            f"{free / 1e6:,.0f} MB free. {LARGER_DISK}"
        )
    folder = parent / uuid.uuid4().hex
    with ExitStack() as held:
        with work_disk_errors(parent):
            held.enter_context(FileLock(_lock_of(folder)))
            held.callback(_remove, folder)
            folder.mkdir()
        with work_disk_errors(parent, only=FULL):
            yield folder


def _remove(folder: Path) -> None:
    """Remove the folder, then its lock; what cannot be removed fails no load: it keeps its lock, for the next one."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        if not folder.exists():
            _lock_of(folder).unlink(missing_ok=True)


def _remove_abandoned(parent: Path) -> None:
    for lock in parent.glob(f"*{_LOCK}"):
        try:
            with FileLock(lock, timeout=0):
                _remove(lock.with_suffix(""))
        except (Timeout, OSError):  # its process is running
            continue


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{_LOCK}")
