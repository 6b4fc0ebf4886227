"""A Prefect worker as a process: it looks for runs again and again, as a worker does, until it has done what was asked.

Not ``--run-once``: on a busy machine the one request for runs may fail or find nothing.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from deployments.server.declared import PROJECT

PATIENCE_SECONDS = 240


def work_until(is_done: Callable[[str], bool], *options: str, environment: Mapping[str, str], log: Path) -> str:
    """Run ``prefect worker start`` until ``is_done`` says so of its log, end it, and return the log."""
    with log.open("wb") as file:
        worker = subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", *options],
            cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=file,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_done(log.read_text(encoding="utf-8", errors="replace")):
            assert worker.poll() is None and time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.2)
    finally:
        worker.terminate()
        worker.wait(60)
    return log.read_text(encoding="utf-8")
