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
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import psycopg2
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from rich.console import Console
from rich.table import Table

from deployments.local.prefect_database import start_prefect_database
from deployments.tlc_site.site import TripSite
from deployments.tlc_site.synthetic.months import taxi_zone_lookup, write_parquet
from flows.tlc.dataset import Dataset, Source
from flows.tlc.locations import ZONES_PATH, month_path
from flows.tlc.month import Month, months_between
from tests.benchmarks.interrupted import ending_when_interrupted
from tests.benchmarks.report import Target, at_most
from tests.benchmarks.ui_pages import Visitor, spread
from tests.e2e.platform import Platform, platform_up, wait_for
from tests.servers.webhook_receiver import WebhookReceiver

RESULT = Path(__file__).with_name("results") / "platform_load.json"
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
# A killed run is Crashed after 90 s without a heartbeat, and its lease is over five minutes after its last renewal.
SETTLED_SECONDS = 420.0
HOURS_AT_MOST = 1.0


@dataclass
class Load:
    """The runs that were queued, and what was seen of the platform while it worked on them."""

    platform: Platform
    singles: list[FlowRun] = field(default_factory=list)
    backfills: list[FlowRun] = field(default_factory=list)
    killed: set[str] = field(default_factory=set)  # ids of runs whose process was killed
    connections: list[int] = field(default_factory=list)  # of Prefect's database, at each look
    averages: list[float] = field(default_factory=list)  # of the machine's load
    killed_at: datetime | None = None
    flows: dict[UUID, str] = field(default_factory=dict)  # their names

    def all_runs(self) -> list[FlowRun]:
        """Every run that somebody asked for: those queued, and the months of backfills on the work pool."""
        # Without most of those that schedules will start, which are some hundred.
        soon = FlowRunFilterExpectedStartTime(before_=datetime.now(UTC) + timedelta(minutes=10))
        asked: list[FlowRun] = []
        with self.platform.client() as client:
            while page := client.read_flow_runs(
                flow_run_filter=FlowRunFilter(expected_start_time=soon), limit=200, offset=len(asked)
            ):
                asked += page
        return [run for run in asked if not run.auto_scheduled]

    def flow_of(self, run: FlowRun) -> str:
        """The name of the run's flow, which is its deployment's."""
        if run.flow_id not in self.flows:
            with self.platform.client() as client:
                self.flows[run.flow_id] = client.read_flow(run.flow_id).name
        return self.flows[run.flow_id]

    def newest_run(self) -> str:
        """The one that somebody would look at."""
        begun = FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.COMPLETED]))
        )
        with self.platform.client() as client:
            (newest,) = client.read_flow_runs(flow_run_filter=begun, sort=FlowRunSort.START_TIME_DESC, limit=1)
        return str(newest.id)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, keep the result."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.platform_load", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="single runs (default: 200)")
    parser.add_argument("--backfills", type=int, default=20, help="(default: 20)")
    parser.add_argument("--result", type=Path, default=RESULT, help="where the figures are kept, as JSON")
    options = parser.parse_args(arguments)
    load_before = os.getloadavg()
    with (
        ending_when_interrupted(),
        tempfile.TemporaryDirectory() as folder,
        small_months(Path(folder)) as site,
        closing(WebhookReceiver()) as alerts,
        platform_up(site, alerts) as platform,
    ):
        found = measure(Load(platform), options.runs, options.backfills)
    targets = found.pop("targets")
    _print(found, targets)
    found |= {
        "cores": os.cpu_count(),
        "load_average_before": load_before,
        "targets": [asdict(each) for each in targets],
    }
    options.result.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.exit(any(not target.met for target in targets))


@contextmanager
def small_months(folder: Path) -> Iterator[TripSite]:
    """A site with a year of green, each month of few rows."""
    with TripSite([folder]) as site:
        site.put(ZONES_PATH, taxi_zone_lookup())
        for month in MONTHS:
            write_parquet(Dataset.green, month, folder / "month.parquet", ROWS, anomalies=False)
            site.put(month_path(Dataset.green, month, Source.tlc), (folder / "month.parquet").read_bytes())
        yield site


def measure(load: Load, runs: int, backfills: int) -> dict[str, Any]:
    """Everything that is to be told, with the targets."""
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
            wait_until_ended(load, runs // 3)
            killed_after = time.monotonic() - begun
            kill_worker(load)
            platform.make("up")
            wait_until_ended(load, runs + backfills)
        seconds = time.monotonic() - begun
        shares = core_shares(platform)
        settled = settle(load)
        settled_seconds = time.monotonic() - begun - seconds
        ended = load.all_runs()
        wrong = wrong_outcomes(load, ended)
        again = run_crashed_again(load, ended)
        reconciled = reconcile(platform)
    return {
        "single_runs": runs,
        "backfills": backfills,
        "seconds": {
            "to queue": round(queued, 1),
            "until the worker was killed": round(killed_after, 1),
            "from its kill until its runs were crashed": crashed_after(load, ended),
            "until all had ended": round(seconds, 1),
            "until no slot was held, after that": round(settled_seconds, 1),
        },
        "states": dict(Counter(f"{load.flow_of(run)}: {run.state_name}" for run in ended)),
        "killed": len(load.killed),
        "page_seconds_idle": {page: spread(values) for page, values in idle.seconds.items()},
        "page_seconds_under_load": {page: spread(values) for page, values in busy.seconds.items()},
        "wait_seconds": waits(load, ended),
        "overtaken_by": overtaken(load, ended),
        "database_connections_at_most": max(load.connections),
        "load_average": spread(load.averages),
        "alerts": alerts(platform),
        "share_of_a_core": shares,
        "targets": [
            *(
                at_most(f"{page}: p95", spread(values)["p95"], PAGE_SECONDS, " s")
                for page, values in busy.seconds.items()
            ),
            none("requests of the UI refused", busy.refused),
            none("runs in no final state, slots or locks held", settled),
            none("runs that ended otherwise than they had to", wrong),
            none("crashed runs that do not load when run again", again),
            none("months that differ from the source", reconciled),
            none("errors in the server's log", platform.server_errors()),
        ],
    }


ENDED = ("Completed", "Failed", "Crashed", "Cancelled", "TimedOut")


def queue(load: Load, runs: int, backfills: int) -> None:
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


def wait_until_ended(load: Load, number: int) -> None:
    """Until so many of the runs that were queued have ended."""
    queued = {run.id for run in (*load.singles, *load.backfills)}

    def enough() -> bool:
        time.sleep(5)  # each look is some requests, which the platform has to answer too
        return sum(run.id in queued and _is_final(run) for run in load.all_runs()) >= number

    wait_for(f"{number} ends", enough, HOURS_AT_MOST * 3600)


def _is_final(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_final()


def kill_worker(load: Load) -> None:
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


def look_at_machine(load: Load) -> None:
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


def settle(load: Load) -> list[str]:
    """What stays as it is for ever: after so long, runs that have not ended, slots and locks that are held."""
    deadline = time.monotonic() + SETTLED_SECONDS
    while (held := list(_held(load))) and time.monotonic() < deadline:
        time.sleep(2)
    return held


def _held(load: Load) -> Iterator[str]:
    yield from (f"{run.name} is {run.state_name}" for run in load.all_runs() if not _is_final(run))
    with load.platform.client() as client:
        for limit in client.read_global_concurrency_limits(limit=200):
            if limit.active_slots:
                yield f"{limit.name} has {limit.active_slots} slots held"
    statement = """
        select coalesce(l.relation::regclass::text, l.locktype), l.mode
        from pg_locks l where l.pid <> pg_backend_pid() and l.locktype in ('relation', 'advisory')
        and l.pid in (select pid from pg_stat_activity where backend_type = 'client backend')
    """
    yield from (f"Postgres: {name} is locked ({mode})" for name, mode in load.platform.query(statement))


def wrong_outcomes(load: Load, ended: Sequence[FlowRun]) -> list[str]:
    """Runs that are neither completed, nor killed, nor backfills that say which killed month they lack."""
    crashed = {str(run.id) for run in ended if run.state_type == StateType.CRASHED}
    months_of_killed = {
        run.parameters["month"] for run in ended if str(run.id) in crashed and "month" in run.parameters
    }
    return [
        f"{run.name} ({load.flow_of(run)}) is {run.state_name}: {run.state and run.state.message}"
        for run in ended
        if run.state_type != StateType.COMPLETED
        and not (str(run.id) in crashed and _was_killed(load, run))
        and not (
            load.flow_of(run) == "backfill"
            and run.state_type == StateType.FAILED
            and any(month in ((run.state and run.state.message) or "") for month in months_of_killed)
        )
    ]


def alerts(platform: Platform) -> dict[str, int]:
    """What somebody was told meanwhile, and how often."""
    return dict(Counter("a run is late" if " is late: " in text else "other" for text in platform.alerts.texts))


def crashed_after(load: Load, ended: Sequence[FlowRun]) -> list[float]:
    """Seconds."""
    at = [run.state.timestamp for run in ended if run.state and run.state_type == StateType.CRASHED]
    return sorted(round((one - load.killed_at).total_seconds(), 1) for one in at if load.killed_at)


def _was_killed(load: Load, run: FlowRun) -> bool:
    """Also one that the killed worker had taken, whose process had not begun."""
    return str(run.id) in load.killed or run.run_count == 0


def run_crashed_again(load: Load, ended: Sequence[FlowRun]) -> list[str]:
    """Those that do not complete."""
    crashed = [run for run in ended if run.state_type == StateType.CRASHED]
    again = [load.platform.submit(load.flow_of(run), **run.parameters) for run in crashed]
    return [run.name for run in again if load.platform.wait_for_state(run, *ENDED) != "Completed"]


def reconcile(platform: Platform) -> list[str]:
    """What the flow of this name says, if anything differs."""
    span = {"start_month": str(MONTHS[0]), "end_month": str(MONTHS[-1])}
    run = platform.submit("reconcile", dataset="green", targets=TARGETS, check_source="sums", **span)
    if platform.wait_for_state(run, *ENDED) == "Completed":
        return []
    with platform.client() as client:
        state = client.read_flow_run(run.id).state
    return [(state and state.message) or "reconcile did not complete"]


def waits(load: Load, ended: Sequence[FlowRun]) -> dict[str, dict[str, float]]:
    """Seconds from a run's submission until it ran, by kind."""
    by_kind: dict[str, list[float]] = defaultdict(list)
    for run in ended:
        if run.start_time and run.created:
            by_kind[_kind(load, run)].append((run.start_time - run.created).total_seconds())
    return {kind: spread(values) for kind, values in by_kind.items()}


def _kind(load: Load, run: FlowRun) -> str:
    return "month of a backfill" if run.parent_task_run_id else load.flow_of(run)


def overtaken(load: Load, ended: Sequence[FlowRun]) -> dict[str, dict[str, float]]:
    """By how many runs that came later, but ran earlier, was each; by kind."""
    begun = [(run.created, run.start_time, run) for run in ended if run.created and run.start_time]
    by_kind: dict[str, list[float]] = defaultdict(list)
    for created, started, run in begun:
        by_kind[_kind(load, run)].append(sum(c > created and s < started for c, s, _ in begun))
    return {kind: spread(values) for kind, values in by_kind.items()}


def none(promise: str, found: Sequence[str]) -> Target:
    """Nothing of the kind; what was found is told."""
    for each in found:
        Console(stderr=True).print(f"{promise}: {each}", markup=False, highlight=False)
    return Target(f"no {promise}", str(len(found)), not found)


def _print(found: dict[str, Any], targets: Sequence[Target]) -> None:
    console = Console()
    console.print_json(json.dumps(found))
    table = Table("target", "measured", "")
    for target in targets:
        table.add_row(target.promise, target.measured, "" if target.met else "MISSED")
    console.print(table)


if __name__ == "__main__":
    main()
