"""What a lake in a folder asks of the disk: folders that others may remove, links, and bytes that survive a crash."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from filelock import FileLock

GONE = (FileNotFoundError, NotADirectoryError)


def unless_gone(error: OSError) -> None:
    """Raise the error unless it says that a file or folder is not there any more."""
    if not isinstance(error, GONE):
        raise error


def lock_in_new_folder(mark: Path) -> FileLock:
    """The lock of that file, held. Who looks for folders that nobody holds may remove this one before it is."""
    while True:
        make_folder(mark.parent)
        lock = FileLock(mark)
        try:
            lock.acquire()
        except FileNotFoundError:
            continue
        return lock


def make_folder(folder: Path) -> None:
    """Make the folder and those above it, though others remove empty ones."""
    for _ in range(5):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return
        except FileNotFoundError:  # another writer's `delete` just removed the empty parent
            continue


def link_or_copy(source: Path, target: Path) -> None:
    """Have ``target`` hold what ``source`` holds; raises FileNotFoundError if that, or the place, is gone."""
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)
        sync(target)


def sync(path: Path) -> None:
    """Have what is written survive a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
