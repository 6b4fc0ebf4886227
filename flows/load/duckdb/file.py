"""A DuckDB file, which one process at a time may open: the lock for it, and the wait for programs that have it open."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from flows.tlc.errors import TargetBusy

Settings = dict[str, str | bool | int | float | list[str]]
# Memory that DuckDB takes at most, whatever the month's size; beyond, it uses the disk.
MEMORY_LIMIT = "1GB"
# How the error begins that another process has the file open; what follows are paths, which may say anything.
_IS_OPEN = "IO Error: Could not set lock on file "


@dataclass(frozen=True)
class DuckDbFile:
    """``wait``: seconds to wait for others who have it open; ``poll``: between two tries."""

    path: Path
    wait: float
    poll: float

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of this project's processes. Raises TargetBusy if it is not to be had."""
        lock = FileLock(f"{self.path}.lock")
        try:
            lock.acquire(timeout=self.wait)
        except Timeout as error:
            raise self._busy("another load or query had it") from error
        try:
            yield
        finally:
            lock.release()

    def open(self, settings: Settings, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
        """A connection. Raises TargetBusy if another program does not close the file, and what DuckDB raises."""
        deadline = time.monotonic() + self.wait
        while True:
            try:
                return duckdb.connect(self.path, read_only, settings)
            except duckdb.IOException as error:
                if not str(error).startswith(_IS_OPEN):
                    raise
                if time.monotonic() > deadline:
                    raise self._busy(str(error).splitlines()[0]) from error
                time.sleep(self.poll)

    def _busy(self, why: str) -> TargetBusy:
        return TargetBusy(
            f"{self.path} was not to be had for {self.wait:.0f} s: {why}. DuckDB lets one process open a file that is "
            "written: close other programs that have it open, and run again. The month is as it was."
        )
