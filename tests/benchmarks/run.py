"""One run: every contender in turn, again and again, so that what slows the machine for a while slows them all."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.contenders.result import told
from tests.benchmarks.inputs import CHECKOUT, MONTH, binary_file, month_file, repeated_file
from tests.benchmarks.report import Samples
from tests.benchmarks.services import Services

# Rows that the slow ways are measured on; both take time in proportion to the rows.
TO_SQL_ROWS = 60_000
CSV_ROWS = 500_000
# A minute each, and far from the fastest: one round says enough.
MEASURED_ONCE = ("dlt_csv",)
LARGE_MONTH = "2019-05"
TRIPS_TABLE = f"tlc.yellow_trips_{MONTH.replace('-', '_')}"

Sample = dict[str, Any]
Contender = Callable[[], Sample]


class Benchmark:
    """The contenders, against one set of services."""

    def __init__(self, running: Services, rows: int, python_of_dlt: Path | None):
        self._running = running
        self._month = month_file(rows)
        self._binary = running.folder / "month.bin"
        self.contenders: dict[str, Contender] = {
            "limit": lambda: self._module("limit", "tlc.yellow_trips", str(self._binary)),
            "flow": lambda: self._flow("--forced"),
            "unchanged": self._flow,
            "to_sql": lambda: self._module("frames", "to_sql", str(self._month), str(min(TO_SQL_ROWS, rows))),
            "csv": lambda: self._module("frames", "csv", str(self._month), str(min(CSV_ROWS, rows))),
        }
        if python_of_dlt is not None:
            for name, arguments in {
                "dlt_parquet": ("parquet", "1"),
                "dlt_parquet_parallel": ("parquet", "4"),
                "dlt_csv": ("csv", "1"),
            }.items():
                self.contenders[name] = lambda arguments=arguments: self._dlt(python_of_dlt, *arguments)

    def prepare(self) -> None:
        """Load the month once: tables, zones and Prefect's own rows are made, and the limit's file comes from it."""
        self._running.serve(self._month)
        say(f"prepared by a first load: {self._flow('--forced')['seconds']:.2f} s")
        binary_file(self._running.postgres_url, TRIPS_TABLE, self._binary)

    def measure(self, names: list[str], repeat: int) -> Samples:
        """``repeat`` rounds of ``names``."""
        samples: Samples = {name: [] for name in names}
        for turn in range(repeat):
            for name in names:
                if turn and name in MEASURED_ONCE:
                    continue
                sample = self.contenders[name]()
                samples[name].append(sample)
                say(f"round {turn + 1}: {name:22} {sample['seconds']:7.2f} s on {sample.get('rows', 'all')} rows")
        return samples

    def measure_large(self, rows: int) -> Sample:
        """The flow on a file of ``rows`` rows, for its memory."""
        self._running.serve(repeated_file(self._month, rows), LARGE_MONTH)
        sample = self._flow("--forced", month=LARGE_MONTH)
        say(f"{rows:,} rows: {sample['seconds']:.2f} s, {sample['peak_memory_bytes'] / 1e6:.0f} MB")
        return sample

    def _flow(self, *options: str, month: str = MONTH) -> Sample:
        self._running.http_requests()
        sample = self._module("flow", month, *options)
        requests = self._running.http_requests()
        return sample | {
            "http_requests": [f"{request['method']} {request['path']} {request['status']}" for request in requests],
            "http_bytes": sum(request["bytes_sent"] for request in requests),
        }

    def _module(self, name: str, *arguments: str) -> Sample:
        return run_contender(self._running, name, *arguments)

    def _dlt(self, python: Path, *arguments: str) -> Sample:
        script = Path(__file__).parent / "contenders" / "dlt_arrow.py"
        return _run(self._running, [str(python), str(script), str(self._month), *arguments])


def run_contender(running: Services, name: str, *arguments: str) -> Sample:
    """What a module of ``contenders`` tells, run in a process of its own."""
    return _run(running, [sys.executable, "-m", f"tests.benchmarks.contenders.{name}", *arguments])


def _run(running: Services, command: list[str]) -> Sample:
    done = subprocess.run(command, cwd=CHECKOUT, env=running.environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return told(done.stdout)


def say(text: str) -> None:
    """A line of progress, with the time of day."""
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)
