"""End a container's main process once its health check has failed for ten minutes: Docker restarts only what ended.

``main.sh`` notes the number of the process in a file, beside which stands since when it fails.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

# Longer than a load of all but the largest months: what a worker still runs ends with its container.
AFTER_SECONDS = 600
KILL_AFTER_SECONDS = AFTER_SECONDS + 60


def well(noted: Path) -> None:
    """The check succeeded, or failed for what a restart would not mend: count from anew."""
    _failing(noted).unlink(missing_ok=True)


def failed(noted: Path, now: float | None = None) -> None:
    """The check failed: once it has for long, end the process of ``noted``, by force if it does not end by itself."""
    failing = _failing(noted)
    if not failing.exists():
        failing.touch()
    seconds = (now or time.time()) - failing.stat().st_mtime
    if seconds < AFTER_SECONDS:
        return
    number = int(noted.read_text(encoding="ascii"))
    os.kill(number, signal.SIGTERM if seconds < KILL_AFTER_SECONDS else signal.SIGKILL)


def _failing(noted: Path) -> Path:
    return noted.with_suffix(".failing")
