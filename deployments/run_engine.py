"""``python -m deployments.run_engine``: the process of one run, which is Prefect's engine, and outlives its worker.

Its output goes to the worker through a pipe. If the worker is killed, the next line written would end the run in the
middle of its month: rich exits on a broken pipe.
"""

from __future__ import annotations

import io
import os
import runpy
import sys
from typing import Any


class OutlivingPipe(io.RawIOBase):
    """A file descriptor that discards what is written once its reader is gone."""

    def __init__(self, number: int):
        self._number = number

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def write(self, data: Any) -> int:
        try:
            return os.write(self._number, data)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._number)
            os.close(nowhere)
            return len(data)


def outlive_readers() -> None:
    """Let this process go on if the readers of its standard output and error are gone."""
    for name, number in (("stdout", 1), ("stderr", 2)):
        binary = io.BufferedWriter(OutlivingPipe(number))
        setattr(sys, name, io.TextIOWrapper(binary, encoding="utf-8", errors="backslashreplace", line_buffering=True))


if __name__ == "__main__":
    outlive_readers()
    runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)
