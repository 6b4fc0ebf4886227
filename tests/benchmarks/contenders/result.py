"""What a contender's process tells the one that started it."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

MARK = "RESULT "


def tell(**measured: Any) -> None:
    """Print what was measured, as the last line that counts."""
    sys.stdout.flush()
    print(MARK + json.dumps(measured, default=str), flush=True)


def told(output: str) -> dict[str, Any]:
    """What ``tell`` printed into ``output``."""
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    return json.loads(lines[-1].removeprefix(MARK))


def peak_memory_bytes() -> int:
    """The most memory that this process had resident.

    On Linux from VmHWM, which begins at exec: ``ru_maxrss`` is inherited, so that it may be the parent's.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def cpu_seconds() -> float:
    """CPU time of this process so far, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
