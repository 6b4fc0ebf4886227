"""``python -m tests.benchmarks.lake``: the lake's write of a month, both layouts, against pyarrow's and pandas' own.

Each contender runs in a process of its own, round by round, so that what slows the machine for a while slows them all.
Prints the table and keeps the samples in ``results/lake.json``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks.inputs import MONTH, month_file, repeated_file
from tests.benchmarks.lake_report import OURS, lake_table, lake_targets
from tests.benchmarks.machine import machine_facts
from tests.benchmarks.report import Samples, conclude
from tests.benchmarks.run import LARGE_MONTH, run_contender, say
from tests.benchmarks.services import Services, services

RESULTS = Path(__file__).parent / "results" / "lake.json"
LARGE_ROWS = 20_000_000
# What takes ten times as long as the others says enough in one round.
MEASURED_ONCE = ("pandas_to_bucket",)
NAMES = ("limit", "limit_one_file", "read_and_write", *OURS, "pandas_to_bucket")


def main() -> int:
    """0 if every target is met that was measured, else 1."""
    options = _options()
    names = [name for name in NAMES if not options.only or name in options.only]
    say("starting Postgres, a web server and Prefect's server")
    with services() as running:
        facts = machine_facts(running.postgres_url)
        samples = _measure(running, names, month_file(options.rows), options.repeat)
        if not options.skip_20m:
            large = repeated_file(month_file(options.rows), LARGE_ROWS)
            for name in OURS:
                if name in names:
                    samples[f"{name}_large"] = [_run(running, name, large, LARGE_MONTH)]
    print(lake_table(samples, options.rows))
    found = lake_targets(samples, options.rows)
    return conclude(found, options.output, rows=options.rows, machine=facts, samples=samples)


def _measure(running: Services, names: list[str], source: Path, repeat: int) -> Samples:
    if "flow" in names:
        _run(running, "flow", source, MONTH)  # Prefect's own rows of a first run are made
    samples: Samples = {name: [] for name in names}
    for turn in range(repeat):
        for name in names:
            if not turn or name not in MEASURED_ONCE:
                samples[name].append(_run(running, name, source, MONTH))
    return samples


def _run(running: Services, name: str, source: Path, month: str) -> dict[str, Any]:
    if name == "flow":
        running.serve(source, month)
        sample = run_contender(running, "lake_flow", month)
    else:
        sample = run_contender(running, "lake_writes", name, str(source))
    say(f"{source.stem}: {name:18} {sample['seconds']:7.2f} s, {sample['peak_memory_bytes'] / 1e6:.0f} MB")
    return sample


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.lake", description=__doc__)
    parser.add_argument("--rows", type=int, default=3_000_000, help="rows of the month (default: 3,000,000)")
    parser.add_argument("--repeat", type=int, default=3, help="rounds (default: 3)")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help=",".join(NAMES))
    parser.add_argument("--skip-20m", action="store_true", help="leave out the memory with 20,000,000 rows")
    parser.add_argument("--output", type=Path, default=RESULTS, help=f"where the JSON goes (default: {RESULTS})")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
