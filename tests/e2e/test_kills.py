"""Each part of the platform is killed during a backfill on the work pool, and no run stays in a state for ever.

``pytest -m kills``, or ``make test-kills``, kills each part at each moment (half an hour); the others, once.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelling

from deployments.tlc_site.faults import Stall
from deployments.tlc_site.site import TripSite
from deployments.tlc_site.synthetic.months import taxi_zone_lookup, write_parquet
from flows.tlc.dataset import Dataset, Source
from flows.tlc.locations import ZONES_PATH, month_path
from flows.tlc.month import Month
from tests.e2e.platform import Platform, platform_up, wait_for
from tests.servers.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.timeout(900)

ROWS = 2_000
STALLED_AFTER = 20_000  # bytes of a month's file
ENDED = ("Completed", "Failed", "Crashed", "Cancelled", "TimedOut")
# As short as a run's start on two busy cores allows; Prefect's heartbeats come every 30 s at the least.
SHORT = {
    "TLC_PENDING_MINUTES": "0.5",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_CANCELLING_TIMEOUT_SECONDS": "20",
}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """With made-up months, a few for each test."""
    with (
        TripSite([tmp_path_factory.mktemp("site")]) as site,
        closing(WebhookReceiver()) as alerts,
        platform_up(site, alerts, **SHORT) as running,
    ):
        site.put(ZONES_PATH, taxi_zone_lookup())
        yield running


@dataclass
class Backfill:
    """A backfill of two months, one after the other, that has been submitted to the work pool."""

    platform: Platform
    first: Month
    run: FlowRun

    @property
    def months(self) -> list[Month]:
        return [self.first, self.first.plus(1)]

    def parameters(self) -> dict[str, object]:
        return {
            "dataset": "green",
            "start_month": str(self.months[0]),
            "end_month": str(self.months[-1]),
            "targets": ["postgres"],
            "run_on": "work_pool",
            "max_parallel": 1,
        }

    def month_runs(self) -> list[FlowRun]:
        """Those of this backfill, by their parameters."""
        runs = runs_of(self.platform, "load-month")
        return [run for run in runs if run.parameters.get("month") in map(str, self.months)]


_first_months = itertools.count(0, 2)


@pytest.fixture
def backfill(platform: Platform, tmp_path: Path) -> Backfill:
    """Of months that no other test has; the first one's download stalls once."""
    first = Month(2014, 1).plus(next(_first_months))
    started = Backfill(platform, first, None)  # type: ignore[arg-type] # set below
    for month in started.months:
        write_parquet(Dataset.green, month, tmp_path / "month.parquet", ROWS, anomalies=False)
        platform.site.put(path_of(month), (tmp_path / "month.parquet").read_bytes())
    platform.site.fail(path_of(first), Stall(STALLED_AFTER, 15))
    started.run = platform.submit("backfill", **started.parameters())
    return started


def backfill_is_handed_over(backfill: Backfill) -> bool:
    """A worker has taken the backfill's run, whose process has not begun."""
    return has_begun(backfill.platform, backfill.run)


def month_is_handed_over(backfill: Backfill) -> bool:
    """A worker has taken the first month's run, whose process has not begun."""
    return any(has_begun(backfill.platform, run) for run in backfill.month_runs())


def month_is_downloaded(backfill: Backfill) -> bool:
    """The first month's file is on its way."""
    requests = [each for each in backfill.platform.site.requests if each.path == path_of(backfill.first)]
    return sum(each.bytes_sent for each in requests) >= STALLED_AFTER


MOMENTS = [backfill_is_handed_over, month_is_handed_over, month_is_downloaded]
THREE = ("worker", "server", "postgres")
PARTS = [("worker",), ("server",), ("postgres",), ("database",), (*THREE, "database", "runs")]


@pytest.mark.kills
@pytest.mark.parametrize("parts", PARTS, ids="+".join)
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
def test_killed_part_leaves_no_run_unfinished(
    backfill: Backfill, moment: Callable[[Backfill], bool], parts: tuple[str, ...]
) -> None:
    survive(backfill, moment, parts)


def test_killed_platform_leaves_no_run_unfinished(backfill: Backfill) -> None:
    survive(backfill, month_is_handed_over, THREE)


@pytest.mark.kills
def test_backfill_that_is_cancelled_without_its_worker_is_cancelled(backfill: Backfill) -> None:
    wait_for("the first month's download", lambda: month_is_downloaded(backfill))
    kill(backfill.platform, ("worker",))
    with backfill.platform.client() as client:
        client.set_flow_run_state(backfill.run.id, Cancelling())
    backfill.platform.make("up")
    assert backfill.platform.wait_for_state(backfill.run, *ENDED) == "Cancelled"
    wait_for("its process has ended", lambda: backfill.platform.flow_process(backfill.run) is None)
    all_end_and_the_next_completes(backfill)


def survive(backfill: Backfill, moment: Callable[[Backfill], bool], parts: tuple[str, ...]) -> None:
    """Kill the parts at that moment, start them again, and see all runs end and the next backfill complete."""
    wait_for(moment.__name__, lambda: moment(backfill))
    kill(backfill.platform, parts)
    backfill.platform.make("up")
    all_end_and_the_next_completes(backfill)


def all_end_and_the_next_completes(backfill: Backfill) -> None:
    platform = backfill.platform
    wait_for("all runs have ended", lambda: unfinished(platform) == [])
    with platform.client() as client:
        state = client.read_flow_run(backfill.run.id).state
    failed = [run for run in backfill.month_runs() if run.state_type != StateType.COMPLETED]
    if state is not None and state.name == "Failed":  # it names the months that it gave up
        assert all(str(run.parameters["month"]) in (state.message or "") for run in failed), state.message
    again = platform.submit("backfill", **backfill.parameters())
    assert platform.wait_for_state(again, *ENDED) == "Completed"
    assert unfinished(platform) == []
    counts = dict(platform.query("select to_char(source_month, 'YYYY-MM'), count(*) from tlc.green_trips group by 1"))
    assert [counts[str(month)] for month in backfill.months] == [ROWS, ROWS]


def kill(platform: Platform, parts: tuple[str, ...]) -> None:
    """kill -9, all of them within milliseconds."""
    trips, prefects = platform.databases()
    notes = {name: platform.processes.note(name) for name in ("worker", "server")}
    pids = {name: note.pid for name, note in notes.items() if note}
    pids |= {"postgres": trips.pid if trips else 0, "database": prefects.pid if prefects else 0}
    chosen = [pids[part] for part in parts if part != "runs"]
    assert all(chosen), pids
    if "runs" in parts:
        chosen += [process.pid for process in platform.processes.flow_processes(postmasters(platform))]
    for pid in chosen:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def postmasters(platform: Platform) -> list[int]:
    """The processes of the databases, which a run may have started."""
    found = [server for server in platform.databases() if server]
    return [process.pid for server in found for process in (server, *server.children(recursive=True))]


def unfinished(platform: Platform) -> list[str]:
    """Runs of backfills and of months that have not ended, with their states."""
    runs = [run for name in ("backfill", "load-month") for run in runs_of(platform, name)]
    return [f"{run.name}: {run.state_name}" for run in runs if not (run.state and run.state.is_final())]


def runs_of(platform: Platform, flow: str) -> list[FlowRun]:
    with platform.client() as client:
        return client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])), limit=200)


def has_begun(platform: Platform, run: FlowRun) -> bool:
    """A worker has the run."""
    with platform.client() as client:
        (now,) = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])))
    return now.state_type not in (None, StateType.SCHEDULED)


def path_of(month: Month) -> str:
    return month_path(Dataset.green, month, Source.tlc)
