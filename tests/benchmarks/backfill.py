"""``python -m tests.benchmarks.backfill``: twelve months at once and in turn, by threads of one process and by worker
processes; what Prefect costs, planning, memory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deployments.tlc_site.faults import Throttle
from deployments.tlc_site.site import TripSite
from deployments.tlc_site.synthetic.months import write_parquet
from deployments.tlc_site.synthetic.zones import zone_lookup
from flows.tlc.catalogue import catalogue_month, expected_size
from flows.tlc.dataset import Dataset, Source, dataset_info
from flows.tlc.locations import ZONES_PATH, month_path
from flows.tlc.month import Month, months_between
from tests.benchmarks.contenders.result import told
from tests.benchmarks.inputs import CHECKOUT
from tests.benchmarks.machine import machine_facts
from tests.benchmarks.report import Target, at_least, at_most, conclude
from tests.benchmarks.run import say
from tests.benchmarks.services import Services, services
from tests.benchmarks.workers import AT_ONCE, deploy, parts_of_runs, workers

RESULTS = Path(__file__).parent / "results" / "backfill.json"
YEAR = list(months_between(Month(2018, 7), Month(2019, 6)))
SMALL_ROWS, ROWS = 2_000, 150_000
# Bytes a second of one download: a month of 3 MB takes 2 s, most of its time.
SLOW = 1_500_000
# 10 s, as a month of 100 MB takes at 10 MB/s: a run on a worker also has a process to start.
SLOW_FOR_WORKERS = 350_000
MOST_PLAN_SECONDS, MOST_OVERHEAD_SECONDS, MOST_REQUESTS, LEAST_SPEED_UP = 5.0, 0.15, 2, 1.7
# So many months are run, too: what a month costs is the difference, without what the run itself costs once.
FEW = 4


def main() -> int:
    """0 if every target is met, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    say("starting Postgres and Prefect's server")
    with services() as running, TripSite(generator=_catalogued) as site:
        measured = Measured(running, site, options.repeat)
        results = {
            "slow source, one at a time": measured.year(1, ["postgres"], slow=SLOW),
            "slow source, two at a time": measured.year(2, ["postgres"], slow=SLOW),
            "quick source, one at a time": measured.year(1, ["postgres"]),
            "quick source, two at a time": measured.year(2, ["postgres"]),
            "small months, backfill": measured.year(1, ["postgres"], rows=SMALL_ROWS),
            "few small months, backfill": measured.year(1, ["postgres"], rows=SMALL_ROWS, months=FEW),
            "small months, without Prefect": measured.year(1, ["postgres"], what="bare", rows=SMALL_ROWS),
            "few small months, without Prefect": measured.year(
                1, ["postgres"], what="bare", rows=SMALL_ROWS, months=FEW
            ),
            "slower source, one worker": measured.year_of_workers(1),
            "slower source, two workers": measured.year_of_workers(2),
            "plan of 12 months": measured.plan([(Dataset.yellow, Month(2023, 1), Month(2023, 12))]),
            "plan of 200 months": measured.plan([(Dataset.yellow, Month(2007, 10).plus(15), Month(2025, 8))]),
            "plan of all months": measured.plan(
                [(each, dataset_info(each).first_month, catalogue_month()) for each in Dataset]
            ),
        }
        facts = machine_facts(running.postgres_url)
    for name, one in results.items():
        print(f"{name:32} {one['seconds']:7.2f} s {one['months']:5} months {one['peak_memory_bytes'] / 1e6:6.0f} MB")
        if "run" in one:
            parts = ", ".join(f"{what} {value:.1f} s" for what, value in one["run"].items())
            print(f"{'':4}a run, median: {parts}")
    return conclude(_targets(results), options.output, machine=facts, results=results)


class Measured:
    """The measurements, against one set of services; each is the best of ``repeat``."""

    def __init__(self, running: Services, site: TripSite, repeat: int):
        self._running = running
        self._site = site
        self._repeat = repeat

    def year(
        self,
        at_once: int,
        targets: list[str],
        *,
        what: str = "run",
        rows: int = ROWS,
        slow: int | None = None,
        months: int = len(YEAR),
    ) -> dict[str, Any]:
        """Months of green with ``rows`` rows each, all to be loaded, at ``slow`` bytes a second."""
        self._publish(rows, slow)
        arguments = ["--at-once", str(at_once), "--targets", *targets]
        return self._best(what, [(Dataset.green, YEAR[0], YEAR[months - 1])], *arguments)

    def year_of_workers(self, number: int) -> dict[str, Any]:
        """The same through so many workers with room for one run each; once, since it takes minutes."""
        self._publish(ROWS, SLOW_FOR_WORKERS)
        environment = self._environment()
        deploy(environment)
        arguments = ["--at-once", str(AT_ONCE), "--run-on", "work_pool"]
        with workers(number, environment, self._running.folder):
            begun = datetime.now(UTC)
            result = self._best("run", [(Dataset.green, YEAR[0], YEAR[-1])], *arguments, repeat=1)
        source = len(self._file(YEAR[0], ROWS)) / SLOW_FOR_WORKERS
        return result | {"run": parts_of_runs(environment, begun) | {"at the source": source}}

    def _publish(self, rows: int, slow: int | None) -> None:
        for month in YEAR:
            path = month_path(Dataset.green, month, Source.tlc)
            self._site.heal(path)
            self._site.put(path, self._file(month, rows))
            if slow:
                self._site.fail(path, Throttle(slow), times=None)

    def plan(self, spans: list[tuple[Dataset, Month, Month]]) -> dict[str, Any]:
        """A plan of months none of which is loaded, into all three targets."""
        return self._best("plan", spans, "--targets", "postgres", "gcs", "bigquery")

    def _file(self, month: Month, rows: int) -> bytes:
        path = self._running.folder / f"{month}-{rows}.parquet"
        if not path.exists():
            write_parquet(Dataset.green, month, path, rows, anomalies=False)
        return path.read_bytes()

    def _environment(self) -> dict[str, str]:
        return self._running.environment | {"TLC_SOURCE_URL": self._site.url}

    def _best(
        self, what: str, spans: list[tuple[Dataset, Month, Month]], *arguments: str, repeat: int | None = None
    ) -> dict[str, Any]:
        command = [sys.executable, "-m", "tests.benchmarks.contenders.backfill", what, *arguments]
        for dataset, first, last in spans:
            command += ["--span", str(dataset), str(first), str(last)]
        environment = self._environment()
        subprocess.run([sys.executable, "-m", "blocks.register"], cwd=CHECKOUT, env=environment, check=True)
        tries = []
        for _ in range(repeat or self._repeat):
            done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
            tries.append(told(done.stdout))
            say(f"{what} {' '.join(arguments)}: {tries[-1]['seconds']:.2f} s, {tries[-1]['months']} months")
        return min(tries, key=lambda one: one["seconds"])


def _catalogued(path: str) -> bytes | None:
    """The zones, and something at the path of every month that TLC had published by the catalogue's day."""
    if path == ZONES_PATH:
        return zone_lookup()
    return b"PAR1" if path in _PATHS else None


_PATHS = {
    month_path(dataset, month, Source.tlc)
    for dataset in Dataset
    for month in months_between(dataset_info(dataset).first_month, catalogue_month())
    if expected_size(dataset, month)
}


def _of_a_month(results: dict[str, dict[str, Any]], way: str, what: str) -> float:
    """What one month more takes."""
    small, few = results[f"small months, {way}"], results[f"few small months, {way}"]
    return float(small[what] - few[what]) / (small["months"] - few["months"])


def _targets(results: dict[str, dict[str, Any]]) -> list[Target]:
    speed_up = results["slow source, one at a time"]["seconds"] / results["slow source, two at a time"]["seconds"]
    by_workers = results["slower source, one worker"]["seconds"] / results["slower source, two workers"]["seconds"]
    overhead = _of_a_month(results, "backfill", "seconds") - _of_a_month(results, "without Prefect", "seconds")
    requests = _of_a_month(results, "backfill", "requests")
    plan = results["plan of all months"]
    return [
        at_least("speed of two at once, of one's", speed_up, LEAST_SPEED_UP, "×"),
        at_least("speed of two workers, of one's", by_workers, LEAST_SPEED_UP, "×"),
        at_most("Prefect's part of a month", overhead, MOST_OVERHEAD_SECONDS, " s"),
        at_most("requests a month", requests, MOST_REQUESTS),
        at_most(f"plan of {plan['months']} months", plan["seconds"], MOST_PLAN_SECONDS, " s"),
    ]


if __name__ == "__main__":
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    sys.exit(main())
