"""``python -m tests.benchmarks.models``: a month's marts by ``build_models``, against one script of plain SQL.

Round by round, so that what slows the machine for a while slows both. Prints the table and keeps the samples in
``results/models.json``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.benchmarks.inputs import MONTH, month_file
from tests.benchmarks.machine import machine_facts
from tests.benchmarks.report import Samples, Target, at_most, best, conclude
from tests.benchmarks.run import run_contender, say
from tests.benchmarks.services import services

RESULTS = Path(__file__).parent / "results" / "models.json"
TARGETS = {"postgres": "Postgres", "bigquery": "DuckDB"}
WAYS = ("plain", "built")
# For 3,000,000 rows.
MOST_TIMES_PLAIN = 3.0


def main() -> int:
    """0 if every target is met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.models", description=__doc__)
    parser.add_argument("--rows", type=int, default=3_000_000, help="rows of the month (default: 3,000,000)")
    parser.add_argument("--repeat", type=int, default=2, help="rounds (default: 2)")
    parser.add_argument("--output", type=Path, default=RESULTS, help=f"where the JSON goes (default: {RESULTS})")
    options = parser.parse_args()
    samples: Samples = {f"{way} {target}": [] for target in TARGETS for way in WAYS}
    with services() as running:
        facts = machine_facts(running.postgres_url)
        running.serve(month_file(options.rows))
        say(f"loaded into both: {run_contender(running, 'models', 'load', MONTH)['seconds']:.1f} s")
        for target in TARGETS:
            run_contender(running, "models", "built", target)  # the tables of no load, dbt's parsed project
        for _ in range(options.repeat):
            for target, engine in TARGETS.items():
                for way in WAYS:
                    sample = run_contender(running, "models", way, target)
                    samples[f"{way} {target}"].append(sample)
                    say(f"{way:6} {engine:9} {sample['seconds']:7.2f} s")
    found = [_target(samples, target, options.rows) for target in TARGETS]
    for target, engine in TARGETS.items():
        peak = max(sample["peak_memory_bytes"] for sample in samples[f"built {target}"]) / 1e6
        print(f"        {engine}: peak memory, of flow and dbt together      {peak:.0f} MB")
    return conclude(found, options.output, rows=options.rows, machine=facts, samples=samples)


def _target(samples: Samples, target: str, rows: int) -> Target:
    plain, built = (best(samples, f"{way} {target}", rows) for way in WAYS)
    assert plain and built
    return at_most(f"{TARGETS[target]}: build_models / plain SQL", built / plain, MOST_TIMES_PLAIN, "×")


if __name__ == "__main__":
    sys.exit(main())
