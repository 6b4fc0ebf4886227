"""Many runs queued on ``make up``, a worker killed meanwhile; ``python -m tests.benchmarks.platform_load``.

Does the UI stay usable, does every run come to an end and in its turn, and is the data the source's in the end? Says
which target is missed, and ends with 1 then. Half an hour on 2 cores.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from prefect.client.schemas.objects import FlowRun
from rich.console import Console

from deployments.local.prefect_database import start_prefect_database
from deployments.tlc_site.site import TripSite
from deployments.tlc_site.synthetic.months import taxi_zone_lookup, write_parquet
from flows.tlc.dataset import Dataset, Source
from flows.tlc.locations import ZONES_PATH, month_path
from flows.tlc.month import Month, months_between
from tests.benchmarks.interrupted import ending_when_interrupted
from tests.benchmarks.machine import machine_facts
from tests.benchmarks.queued_runs import ENDED, QueuedRuns
from tests.benchmarks.report import Target, at_most, conclude
from tests.benchmarks.ui_pages import Visitor, spread
from tests.e2e.platform import Platform, platform_up, wait_for
from tests.servers.webhook_receiver import WebhookReceiver

RESULTS = Path(__file__).parent / "results" / "platform_load.json"
MONTHS = list(months_between(Month(2014, 1), Month(2014, 12)))
ROWS = 2_000
# Months of a backfill; those of neighbouring backfills overlap.
SPAN = 3
SINGLE = ("api-to-postgres", "load-month", "api-to-gcs")
TARGETS = ["postgres", "gcs"]
# Looks at an idle platform before anything is queued.
IDLE_LOOKS = 15
# Seconds between two rounds of all pages: a round takes the server half a second of CPU.
BETWEEN_LOOKS = 3.0
# What a page may take at the 95th percentile: what people bear without wondering whether it works.
PAGE_SECONDS = 2.0


def main() -> int:
    """0 if every target is met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.platform_load", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="single runs (default: 200)")
    parser.add_argument("--backfills", type=int, default=20, help="(default: 20)")
    parser.add_argument("--output", type=Path, default=RESULTS, help=f"where the JSON goes (default: {RESULTS})")
    options = parser.parse_args()
    load_before = os.getloadavg()
    with (
        ending_when_interrupted(),
        tempfile.TemporaryDirectory() as folder,
        small_months(Path(folder)) as site,
        closing(WebhookReceiver()) as alerts,
        platform_up(site, alerts) as platform,
    ):
        facts = machine_facts(platform.postgres_url) | {"load_average": load_before}
        found, targets = measure(QueuedRuns(platform), options.runs, options.backfills)
    Console().print_json(json.dumps(found))
    return conclude(targets, options.output, machine=facts, **found)


@contextmanager
def small_months(folder: Path) -> Iterator[TripSite]:
    """A site with a year of green, each month of few rows."""
    with TripSite([folder]) as site:
        site.put(ZONES_PATH, taxi_zone_lookup())
        for month in MONTHS:
            write_parquet(Dataset.green, month, folder / "month.parquet", ROWS, anomalies=False)
            site.put(month_path(Dataset.green, month, Source.tlc), (folder / "month.parquet").read_bytes())
        yield site


def measure(load: QueuedRuns, runs: int, backfills: int) -> tuple[dict[str, Any], list[Target]]:
    """Everything that is to be told, and the targets."""
    platform = load.platform
    first = platform.submit("load-month", dataset="green", month=str(MONTHS[0]), targets=TARGETS)
    assert platform.wait_for_state(first, *ENDED) == "Completed"
    idle, busy = (Visitor(platform.api, platform.login, load.newest_run) for _ in range(2))
    for _ in range(IDLE_LOOKS):
        idle.look_round()
    with platform.second_worker():
        begun = time.monotonic()
        with again_and_again(busy.look_round, BETWEEN_LOOKS), again_and_again(lambda: look_at_machine(load), 1):
            queue(load, runs, backfills)
            queued = time.monotonic() - begun
            load.wait_until_ended(runs // 3)
            killed_after = time.monotonic() - begun
            kill_worker(load)
            platform.make("up")
            load.wait_until_ended(runs + backfills)
        seconds = time.monotonic() - begun
        shares = core_shares(platform)
        settled = load.settle()
        settled_seconds = time.monotonic() - begun - seconds
        ended = load.all_runs()
        wrong = load.wrong_outcomes(ended)
        again = load.run_crashed_again(ended)
        reconciled = reconcile(platform)
    found = {
        "single_runs": runs,
        "backfills": backfills,
        "seconds": {
            "to queue": round(queued, 1),
            "until the worker was killed": round(killed_after, 1),
            "from its kill until its runs were crashed": load.crashed_after(ended),
            "until all had ended": round(seconds, 1),
            "until no slot was held, after that": round(settled_seconds, 1),
        },
        "states": dict(Counter(f"{load.flow_of(run)}: {run.state_name}" for run in ended)),
        "killed": len(load.killed),
        "page_seconds_idle": {page: spread(values) for page, values in idle.seconds.items()},
        "page_seconds_under_load": {page: spread(values) for page, values in busy.seconds.items()},
        "wait_seconds": load.waits(ended),
        "overtaken_by": load.overtaken(ended),
        "database_connections_at_most": max(load.connections),
        "load_average": spread(load.averages),
        "alerts": alerts(platform),
        "share_of_a_core": shares,
    }
    return found, [
        *(at_most(f"{page}: p95", spread(values)["p95"], PAGE_SECONDS, " s") for page, values in busy.seconds.items()),
        none("requests of the UI refused", busy.refused),
        none("runs in no final state, slots or locks held", settled),
        none("runs that ended otherwise than they had to", wrong),
        none("crashed runs that do not load when run again", again),
        none("months that differ from the source", reconciled),
        none("errors in the server's log", platform.server_errors()),
    ]


def queue(load: QueuedRuns, runs: int, backfills: int) -> None:
    """Submit all, the backfills among the single runs: every second one leaves its months to the work pool."""
    dice = random.Random(1)
    kinds = ["single"] * runs + ["backfill"] * backfills
    dice.shuffle(kinds)
    for kind in kinds:
        if kind == "single":
            load.singles.append(_submit_single(load.platform, len(load.singles)))
        else:
            load.backfills.append(_submit_backfill(load.platform, len(load.backfills)))


def _submit_single(platform: Platform, number: int) -> FlowRun:
    deployment = SINGLE[number % len(SINGLE)]
    month = str(MONTHS[number // len(SINGLE) % len(MONTHS)])
    more = {"targets": TARGETS} if deployment == "load-month" else {}
    return platform.submit(deployment, dataset="green", month=month, force=True, **more)


def _submit_backfill(platform: Platform, number: int) -> FlowRun:
    first = number % (len(MONTHS) - SPAN + 1)
    return platform.submit(
        "backfill",
        dataset="green",
        start_month=str(MONTHS[first]),
        end_month=str(MONTHS[first + SPAN - 1]),
        targets=TARGETS,
        force=True,
        run_on="work_pool" if number % 2 else "here",
    )


def kill_worker(load: QueuedRuns) -> None:
    """kill -9 of the platform's own worker with the processes of its runs."""
    note = load.platform.processes.note("worker")
    worker = note and note.process()
    assert worker, "the platform's worker does not run"
    wait_for("a run of the worker", lambda: worker.children(recursive=True))
    load.killed_at = datetime.now(UTC)
    for process in (worker, *worker.children(recursive=True)):
        with suppress(psutil.Error):
            run_id = process.environ().get("PREFECT__FLOW_RUN_ID")
            process.kill()
            if run_id:
                load.killed.add(run_id)


@contextmanager
def again_and_again(look: Callable[[], object], pause: float) -> Iterator[None]:
    """In a thread, with so many seconds between, until this is left; what fails there is raised here."""
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(pause):
            look()

    with ThreadPoolExecutor(1) as thread:
        looks = thread.submit(go_on)
        try:
            yield
        finally:
            over.set()
        looks.result()


def look_at_machine(load: QueuedRuns) -> None:
    """Note the connections of Prefect's own database, and how many processes want a core."""
    url = start_prefect_database(load.platform.folder).replace("postgresql+asyncpg", "postgresql")
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_stat_activity where backend_type = 'client backend'")
        load.connections.append(cursor.fetchone()[0])
    load.averages.append(os.getloadavg()[0])


def core_shares(platform: Platform) -> dict[str, float]:
    """How much of a core the server and the workers took since their starts, without the runs."""
    shares = {}
    for name in ("server", "worker", "second-worker"):
        note = platform.processes.note(name)
        if note and (process := note.process()):
            used = process.cpu_times()
            shares[name] = round((used.user + used.system) / (time.time() - process.create_time()), 2)
    return shares


def alerts(platform: Platform) -> dict[str, int]:
    """What somebody was told meanwhile, and how often."""
    return dict(Counter("a run is late" if " is late: " in text else "other" for text in platform.alerts.texts))


def reconcile(platform: Platform) -> list[str]:
    """What the flow of this name says, if anything differs."""
    span = {"start_month": str(MONTHS[0]), "end_month": str(MONTHS[-1])}
    run = platform.submit("reconcile", dataset="green", targets=TARGETS, check_source="sums", **span)
    if platform.wait_for_state(run, *ENDED) == "Completed":
        return []
    with platform.client() as client:
        state = client.read_flow_run(run.id).state
    return [(state and state.message) or "reconcile did not complete"]


def none(promise: str, found: Sequence[str]) -> Target:
    """Nothing of the kind; what was found is told."""
    for each in found:
        Console(stderr=True).print(f"{promise}: {each}", markup=False, highlight=False)
    return Target(f"no {promise}", str(len(found)), not found)


if __name__ == "__main__":
    sys.exit(main())
