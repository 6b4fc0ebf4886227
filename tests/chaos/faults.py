"""What goes wrong, by name: with the source, and with the process of a run; what while it is under way: ``places``."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployments.tlc_site import faults as http
from deployments.tlc_site.faults import Answer, Fault
from flows.tlc.dataset import Dataset
from flows.tlc.month import Month
from tests.chaos.months import Months, path_of
from tests.chaos.runs import FAKETIME, Run

HTML = b"<!doctype html><title>Sign in</title>" * 40


@dataclass
class Places:
    """Where the platform keeps its data; ``small`` is a disk for a run's files that is nearly full (needs root)."""

    postgres: str
    lake: Path
    warehouse: Path
    cache: Path
    small: Path | None


@dataclass
class Step:
    """One run and what happens to it; all of it follows from the seed and the step's number."""

    number: int
    dice: random.Random
    months: Months
    places: Places
    dataset: Dataset
    month: Month
    child: dict[str, Any] = field(default_factory=dict)
    run: Run | None = None

    @property
    def path(self) -> str:
        return path_of(self.dataset, self.month)

    @property
    def size(self) -> int:
        return len(self.months.files[self.path][0])

    def at(self) -> int:
        """A place in the file."""
        return self.dice.randint(1, self.size)


SourceFault = Callable[[Step], Fault | tuple[Fault, ...]]
SOURCE: dict[str, SourceFault] = {
    "status 403": lambda step: Answer(403),
    "status 404": lambda step: Answer(404),
    "status 408": lambda step: Answer(408),
    "status 429 with Retry-After": lambda step: Answer(429, headers={"Retry-After": "0"}),
    "status 500": lambda step: Answer(500),
    "status 502": lambda step: Answer(502),
    "status 503": lambda step: Answer(503),
    "page instead of the file": lambda step: Answer(200, HTML, {"Content-Type": "text/html"}),
    "empty answer": lambda step: Answer(200),
    "redirect to nowhere": lambda step: Answer(302, headers={"Location": "http://127.0.0.1:1/nowhere"}),
    "no answer": lambda step: http.Cut(0),
    "connection cut": lambda step: http.Cut(step.at()),
    "stall before the answer": lambda step: http.Stall(0, step.dice.uniform(0.2, 2)),
    "stall in the file": lambda step: http.Stall(step.at(), step.dice.uniform(0.2, 2)),
    "slow": lambda step: http.Throttle(step.size // 2),
    "slow, then cut": lambda step: (http.Throttle(step.size), http.Cut(step.at())),
    "cut file": lambda step: http.Truncate(step.at()),
    "length too large": lambda step: http.WrongLength(step.dice.randint(1, 1_000)),
    "length too small": lambda step: http.WrongLength(-step.dice.randint(1, 1_000)),
    "no length": lambda step: http.NoLength(),
    "no length, and cut": lambda step: (http.NoLength(), http.Cut(step.at())),
    "published anew meanwhile": lambda step: http.Change(step.months.announce(step.dataset, step.month, step.dice)),
    "published anew, If-Range ignored": lambda step: http.Change(
        step.months.announce(step.dataset, step.month, step.dice), heed_if_range=False
    ),
    "cut, then published anew": lambda step: (
        http.Cut(step.at()),
        http.Change(step.months.announce(step.dataset, step.month, step.dice)),
    ),
    "range ignored": lambda step: (http.IgnoreRange(), http.Cut(step.at())),
    "no ETag": lambda step: http.NoEtag(),
    "weak ETag": lambda step: http.WeakEtag(),
    "encoded unasked": lambda step: http.GzipEncoded(),
    "encoding untrue": lambda step: http.GzipEncoded(compress=False),
}


def fail_source(step: Step, name: str) -> None:
    """Of one of the next requests of the month's file: its download, or the question for its version."""
    step.months.site.fail(step.path, SOURCE[name](step), method=step.dice.choice(["GET", "GET", None]))


def _limit(step: Step, name: str, value: int) -> None:
    step.child.setdefault("limits", {})[name] = value


def _small_disk(step: Step, variable: str) -> None:
    assert step.places.small
    folder = step.places.small / f"{step.number}"
    folder.mkdir(exist_ok=True)  # the other fault of this kind, in one step
    free = shutil.disk_usage(folder).free
    (folder / "filler").write_bytes(bytes(step.dice.randint(free // 2, max(free - 4_096, free // 2))))
    step.child.setdefault("environment", {})[variable] = str(folder)


PROCESS: dict[str, Callable[[Step], None]] = {
    "file size limit": lambda step: _limit(step, "RLIMIT_FSIZE", step.dice.randint(100, 2 * step.size)),
    "out of memory": lambda step: _limit(step, "RLIMIT_AS", step.dice.randint(1, 400) * 1_000_000),
    "too many open files": lambda step: _limit(step, "RLIMIT_NOFILE", step.dice.randint(20, 60)),
    "out of processor time": lambda step: _limit(step, "RLIMIT_CPU", 1),
    "disk of downloads full": lambda step: _small_disk(step, "TLC_CACHE_DIR"),
    "disk of temporary files full": lambda step: _small_disk(step, "TMPDIR"),
    "clock ahead": lambda step: step.child.update(clock=f"+{step.dice.randint(1, 72)}h"),
    "clock behind": lambda step: step.child.update(clock=f"-{step.dice.randint(1, 72)}h"),
}


def needs(name: str, places: Places) -> str | None:
    """What this machine lacks for that fault."""
    if name.startswith("disk of") and places.small is None:
        return "root, to mount a small disk"
    if name.startswith("clock") and not Path(FAKETIME).exists():
        return "Debian's faketime"
    return None
