"""Errors of the disk on which a load writes what is not to stay, as one sentence that names the right folder."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.tlc.disk import FULL, LARGER_DISK
from flows.tlc.errors import TargetUnavailable


@contextmanager
def work_disk_errors(folder: Path, only: Collection[int] = ()) -> Iterator[None]:
    """Turn errors of the disk, or those of the numbers ``only``, into TargetUnavailable that names ``folder``."""
    try:
        yield
    except OSError as error:
        if only and error.errno not in only:
            raise
        if error.errno in FULL:
            raise TargetUnavailable(f"the disk of {folder} is full; the month is as it was. {LARGER_DISK}") from error
        raise TargetUnavailable(
            f"{folder} cannot be used for what a load writes meanwhile: {error.strerror or error}. The month is as it "
            "was. Set TLC_CACHE_DIR to a folder that this user may write to."
        ) from error
