"""``python -m tests.benchmarks``: measure, print the table, keep the samples in ``results/postgres.json``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.benchmarks.inputs import dlt_python
from tests.benchmarks.machine import machine_facts
from tests.benchmarks.report import conclude, table, targets
from tests.benchmarks.run import Benchmark, say
from tests.benchmarks.services import services

RESULTS = Path(__file__).parent / "results" / "postgres.json"
LARGE_ROWS = 20_000_000


def main() -> int:
    """0 if every target is met that was measured, else 1."""
    options = _options()
    with_dlt = not options.skip_dlt and (not options.only or any(name.startswith("dlt") for name in options.only))
    python = dlt_python() if with_dlt else None
    say("starting Postgres, a web server and Prefect's server")
    with services() as running:
        facts = machine_facts(running.postgres_url)
        benchmark = Benchmark(running, options.rows, python)
        names = [name for name in benchmark.contenders if not options.only or name.startswith(tuple(options.only))]
        benchmark.prepare()
        samples = benchmark.measure(names, options.repeat)
        if not options.skip_20m and (not options.only or "flow" in options.only):
            samples["flow_large"] = [benchmark.measure_large(LARGE_ROWS)]
    print(table(samples, options.rows))
    found = targets(samples, options.rows)
    return conclude(found, options.output, rows=options.rows, machine=facts, samples=samples)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=3_000_000, help="rows of the month (default: 3,000,000)")
    parser.add_argument("--repeat", type=int, default=3, help="rounds (default: 3)")
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=[], help="limit,flow,unchanged,to_sql,csv,dlt"
    )
    parser.add_argument("--skip-dlt", action="store_true", help="leave out dlt and its environment")
    parser.add_argument("--skip-20m", action="store_true", help="leave out the flow with 20,000,000 rows")
    parser.add_argument("--output", type=Path, default=RESULTS, help=f"where the JSON goes (default: {RESULTS})")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
