"""``python -m tests.benchmarks.saturation``: backfills of one, two and four months at once into Postgres, against the
server's own COPY of ready files, as many at once; into the lake; and into all three. Rounds in one run; the samples are
kept in ``results/saturation.json``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from flows.tlc.month import Month, months_between
from tests.benchmarks.inputs import binary_file, month_file
from tests.benchmarks.machine import machine_facts
from tests.benchmarks.report import at_least, conclude
from tests.benchmarks.run import run_contender, say
from tests.benchmarks.services import Services, services

RESULTS = Path(__file__).parent / "results" / "saturation.json"
MONTHS = list(months_between(Month(2018, 1), Month(2018, 8)))
ROWS = 1_000_000
LEAST_SHARE = 0.85


def main() -> int:
    """0 if two at once are as near to the limit as they have to be, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.saturation", description=__doc__)
    parser.add_argument("--repeat", type=int, default=3, help="rounds (default: 3)")
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 2, 4], help="(default: 1 2 4)")
    parser.add_argument("--output", type=Path, default=RESULTS, help=f"where the JSON goes (default: {RESULTS})")
    options = parser.parse_args()
    say("starting Postgres, a web server and Prefect's server")
    with services() as running:
        files = _prepare(running)
        samples: dict[str, list[dict[str, Any]]] = {}
        for _ in range(options.repeat):
            for number in options.at_once:
                for name, sample in _round(running, files, number).items():
                    samples.setdefault(f"{name}, {number} at once", []).append(sample)
                    say(f"{name}, {number} at once: {sample['seconds']:.2f} s")
        facts = machine_facts(running.postgres_url)
    shares = {number: _share(samples, number) for number in options.at_once}
    found = [
        at_least(f"{number} at once, of the limit's speed", share, LEAST_SHARE, "×")
        for number, share in shares.items()
        if number == 2
    ]
    for number, share in shares.items():
        print(f"{number} at once: {share:.2f} × the speed of {number} COPYs of ready files")
    return conclude(found, options.output, rows=ROWS, months=len(MONTHS), machine=facts, samples=samples)


def _prepare(running: Services) -> list[str]:
    """Publish the months and load them once: the limit's files come from the tables."""
    for month in MONTHS:
        running.serve(month_file(ROWS, str(month)), str(month))
    say(f"prepared by a first load: {_backfill(running, 2, 'postgres')['seconds']:.2f} s")
    tables = [f"tlc.yellow_trips_{str(month).replace('-', '_')}" for month in MONTHS]
    return [str(binary_file(running.postgres_url, table, running.folder / f"{table}.bin")) for table in tables]


def _round(running: Services, files: list[str], number: int) -> dict[str, dict[str, Any]]:
    limit = run_contender(running, "limit", "tlc.yellow_trips", *files, "--at-once", str(number))
    ways = {"postgres": ["postgres"], "gcs": ["gcs"], "all three": ["postgres", "gcs", "bigquery"]}
    return {"COPY": limit} | {name: _backfill(running, number, *targets) for name, targets in ways.items()}


def _backfill(running: Services, number: int, *targets: str) -> dict[str, Any]:
    span = ("--span", "yellow", str(MONTHS[0]), str(MONTHS[-1]))
    return run_contender(running, "backfill", "run", *span, "--at-once", str(number), "--targets", *targets)


def _share(samples: dict[str, list[dict[str, Any]]], number: int) -> float:
    limit, ours = (
        min(sample["seconds"] for sample in samples[f"{name}, {number} at once"]) for name in ("COPY", "postgres")
    )
    return float(limit / ours)


if __name__ == "__main__":
    sys.exit(main())
