"""A file that appears whole or not at all."""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from flows.tlc.errors import ParameterError, TargetUnavailable


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which at the end takes the place of ``path``; if anything fails, ``path`` is as it was.

    It is written beside it, under a hidden name that a kill leaves there. Raises ParameterError if ``path`` cannot be
    a file, TargetUnavailable if the disk does not take it.
    """
    path = path.expanduser()
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        raise ParameterError(f"--output {path} is there, and is no file. Without --output, rows go to stdout.")
    if not path.parent.is_dir():
        raise ParameterError(f"--output {path}: there is no folder {path.parent}.")
    path = path.resolve()  # of a link, what it points to is replaced
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.unfinished")
    try:
        with unfinished.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:  # of the file: what a target raises is an error of this project by then
        raise TargetUnavailable(
            f"{path} cannot be written: {error.strerror or error}; it is as it was. Free space there, or choose "
            "another folder, and run again."
        ) from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
