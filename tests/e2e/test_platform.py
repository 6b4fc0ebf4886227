"""A user's day with the platform: runs by hand, by schedule and twenty at once; then cancelled, killed, restarted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg2
import pytest
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.states import Cancelling

import flows
from blocks.limits import LIMITS
from deployments.local.process import MARK
from deployments.server.declared import declared_deployments
from deployments.tlc_site.faults import Stall
from tests.e2e.platform import PATIENCE, Platform, wait_for

pytestmark = pytest.mark.timeout(900)

# Months of green with real files, as the source has them at first.
DECEMBER_2020, DECEMBER_2023 = "/trip-data/green_tripdata_2020-12.parquet", "/trip-data/green_tripdata_2023-12.parquet"
JANUARY_2021 = "/trip-data/green_tripdata_2021-01.parquet"
ROWS = {"2020-10": 95_120, "2020-11": 88_605, "2020-12": 83_130, "2023-12": 64_215}
MIRROR = {"2020-10", "2020-11"}
RUNS_OF_EACH = 5
FINAL = ("Completed", "Failed", "Crashed", "Cancelled", "TimedOut")


def parameters_of(month: str) -> dict[str, str]:
    return {"dataset": "green", "month": month, "source": "mirror" if month in MIRROR else "tlc"}


def rows_by_month(platform: Platform) -> dict[str, int]:
    counted = platform.query("select to_char(source_month, 'YYYY-MM'), count(*) from tlc.green_trips group by 1")
    return dict(counted)


def loads(platform: Platform) -> int:
    return platform.query("select count(*) from tlc.loads")[0][0]


def tables(platform: Platform) -> set[str]:
    return {name for (name,) in platform.query("select relname from pg_class where relname like 'green_trips%'")}


@dataclass
class TwentyRuns:
    """What became of them."""

    runs: list[FlowRun]
    by_hand: str
    scheduled: FlowRun


@pytest.fixture(scope="module")
def twenty_runs(platform: Platform) -> TwentyRuns:
    """Eighteen at once, one by hand, one by schedule, through two workers: five of each month, side by side."""
    months = [month for month in ROWS for _ in range(RUNS_OF_EACH)]
    with platform.second_worker(), scheduled_once(platform, parameters_of(months.pop())) as find_scheduled:
        by_hand = parameters_of(months.pop(0))
        runs = [platform.submit("api-to-postgres", **parameters_of(month)) for month in months]
        words = [word for name, value in by_hand.items() for word in ("--param", f"{name}={value}")]
        printed = platform.prefect("deployment", "run", "api-to-postgres/api-to-postgres", *words, "--watch")
        scheduled = wait_for("a run by schedule", find_scheduled)
        for run in [*runs, scheduled]:
            platform.wait_for_state(run, *FINAL)
    return TwentyRuns(runs, printed, scheduled)


@contextmanager
def scheduled_once(platform: Platform, parameters: dict[str, str]) -> Iterator[Callable[[], FlowRun | None]]:
    """A schedule that is due soon, and again tomorrow; yields how to find the run that the server makes of it."""
    with platform.client() as client:
        deployment = client.read_deployment_by_name("api-to-postgres/api-to-postgres")
        due = datetime.now(UTC) + timedelta(seconds=90)  # the scheduler looks once a minute
        soon = IntervalSchedule(interval=timedelta(days=1), anchor_date=due)
        (schedule,) = client.create_deployment_schedules(deployment.id, [(soon, True)], parameters=parameters)

        def find() -> FlowRun | None:
            runs = client.read_flow_runs(
                deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])), limit=200
            )
            return next((run for run in runs if run.auto_scheduled and run.state_type != StateType.SCHEDULED), None)

        yield find
        client.delete_deployment_schedule(deployment.id, schedule.id)


def test_everything_is_deployed_and_answers(platform: Platform) -> None:
    assert platform.port != platform.taken_port
    ui = platform.api.removesuffix("/api")
    assert "<html" in httpx.get(ui, follow_redirects=True).text
    assert httpx.get(f"{ui}/ui-settings").json()["api_url"] == platform.api
    with platform.client() as client:
        there = {one.name: one for one in client.read_deployments()}
        assert set(there) == set(declared_deployments()) == {name.replace("_", "-") for name in flows.__all__}
        for name, declared in declared_deployments().items():
            slugs = {schedule.slug for schedule in there[name].schedules if schedule.active}
            assert slugs == {schedule["slug"] for schedule in declared["schedules"]}
            assert there[name].enforce_parameter_schema
            limit, options = there[name].global_concurrency_limit, there[name].concurrency_options
            assert limit and options
            assert limit.limit == declared["concurrency_limit"]["limit"]
            assert options.collision_strategy.value == declared["concurrency_limit"]["collision_strategy"]
        assert {limit.name for limit in client.read_global_concurrency_limits(limit=200)} >= set(LIMITS)


@pytest.mark.parametrize(
    "headers",
    [{}, {"Host": "evil.example", "Origin": "http://evil.example"}, {"Authorization": "Basic dGxjOmd1ZXNzZWQ="}],
    ids=["no login", "a name that was made to mean 127.0.0.1", "a guessed login"],
)
def test_strangers_get_neither_secrets_nor_runs(platform: Platform, headers: dict[str, str]) -> None:
    """Other users of the machine, and pages of other sites: both reach the port."""
    with httpx.Client(base_url=platform.api, headers=headers, timeout=30) as stranger:
        asked = [
            stranger.post("/block_documents/filter", json={"include_secrets": True}),
            stranger.post("/flows/", content=b'{"name": "planted"}'),  # without a Content-Type no browser asks first
            stranger.get("/deployments/name/api-to-postgres/api-to-postgres"),
        ]
    assert [answer.status_code for answer in asked] == [401] * 3
    with platform.client() as client:
        assert "planted" not in {flow.name for flow in client.read_flows()}


def test_login_is_shown_once_and_is_in_no_log_or_note(platform: Platform) -> None:
    assert platform.login
    password = platform.login.partition(":")[2]
    assert platform.printed.count(platform.login) == 1
    kept = [file for place in ("log", "run") for file in (platform.folder / place).iterdir()]
    assert [file.name for file in kept if password in file.read_text(errors="replace")] == []
    shown = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert [command for command in shown if password in command] == []


def test_run_by_hand_says_how_it_ended(twenty_runs: TwentyRuns) -> None:
    assert "Flow run finished successfully in 'Completed'." in twenty_runs.by_hand


def test_run_by_schedule_is_picked_up(platform: Platform, twenty_runs: TwentyRuns) -> None:
    run = twenty_runs.scheduled
    assert run.auto_scheduled
    assert run.parameters == parameters_of("2023-12")
    assert platform.state(run) == "Completed"


def test_two_workers_share_twenty_runs_and_load_no_month_twice(platform: Platform, twenty_runs: TwentyRuns) -> None:
    assert {platform.state(run) for run in twenty_runs.runs} == {"Completed"}
    assert rows_by_month(platform) == ROWS
    assert loads(platform) == len(ROWS)
    assert "Completed" in platform.processes.log_file("worker").read_text()
    assert "Completed" in platform.processes.log_file("second-worker").read_text()


def test_server_bore_it_without_an_error(platform: Platform, twenty_runs: TwentyRuns) -> None:
    assert platform.server_errors() == []


def test_cancelled_and_killed_loads_leave_the_months_and_the_next_runs_load_them(
    platform: Platform, twenty_runs: TwentyRuns, tlc: Path
) -> None:
    before = tables(platform)
    platform.site.put(DECEMBER_2020, real_file(tlc, DECEMBER_2023))
    platform.site.put(DECEMBER_2023, real_file(tlc, DECEMBER_2020))
    with reader(platform):
        cancelled, killed = (platform.submit("api-to-postgres", **parameters_of(m)) for m in ("2020-12", "2023-12"))
        wait_for_loads_that_want_to_swap(platform, 2)
        process = platform.flow_process(killed)
        assert process
        process.kill()
        with platform.client() as client:
            client.set_flow_run_state(cancelled.id, Cancelling())
        assert platform.wait_for_state(killed, *FINAL) == "Crashed"
        assert platform.wait_for_state(cancelled, *FINAL) == "Cancelled"
        wait_for("no process of the cancelled run", lambda: platform.flow_process(cancelled) is None)
    assert str(killed.id) in platform.alerts.wait_for("*green 2023-12 → postgres* Crashed: ", seconds=PATIENCE)
    assert rows_by_month(platform) == ROWS
    assert loads(platform) == len(ROWS)
    assert tables(platform) == before
    again = [platform.submit("api-to-postgres", **parameters_of(month)) for month in ("2020-12", "2023-12")]
    assert [platform.wait_for_state(run, *FINAL) for run in again] == ["Completed", "Completed"]
    assert rows_by_month(platform) == ROWS | {"2020-12": ROWS["2023-12"], "2023-12": ROWS["2020-12"]}


def test_run_killed_with_its_worker_is_crashed_and_told_and_the_month_is_as_it_was(
    platform: Platform, twenty_runs: TwentyRuns, tlc: Path
) -> None:
    before = rows_by_month(platform)
    platform.site.put(DECEMBER_2020, real_file(tlc, DECEMBER_2020))
    with reader(platform):
        killed = platform.submit("api-to-postgres", **parameters_of("2020-12"))
        wait_for_loads_that_want_to_swap(platform, 1)
        process, worker = platform.flow_process(killed), platform.processes.note("worker")
        assert process and worker
        for pid in (worker.pid, process.pid):  # the worker first: it would see the process end
            os.kill(pid, signal.SIGKILL)
    # Nobody is left who saw it: three signs of life are missed, and the server says so.
    told = platform.alerts.wait_for(str(killed.id), "*green 2020-12 → postgres* Crashed: No hear", seconds=PATIENCE)
    assert "run it again" in told
    assert platform.state(killed) == "Crashed"
    assert rows_by_month(platform) == before
    platform.make("up")


def test_all_is_killed_but_one_run_which_completes_after_make_up(
    platform: Platform, twenty_runs: TwentyRuns, tlc: Path
) -> None:
    before, deployed_before = rows_by_month(platform), deployed(platform)
    # None: one that a user made in the UI. It stays where the file has no schedule for the deployment.
    add_schedules(platform, "green-taxi-etl", "no-longer-declared", None)
    add_schedules(platform, "api-to-gcs", "no-longer-declared", None)
    deployed_before["api-to-gcs"].append(None)
    platform.site.put(DECEMBER_2020, real_file(tlc, DECEMBER_2020))
    platform.site.put(JANUARY_2021, real_file(tlc, DECEMBER_2020))
    platform.site.fail(JANUARY_2021, Stall(200_000, 20))
    with reader(platform, may_break=True):
        killed, survivor = (platform.submit("api-to-postgres", **parameters_of(m)) for m in ("2020-12", "2021-01"))
        wait_for_loads_that_want_to_swap(platform, 1)
        wait_for("a download that stalls", lambda: bytes_sent(platform, JANUARY_2021) >= 200_000)
        process, databases = platform.flow_process(killed), platform.databases()
        notes = [platform.processes.note(name) for name in ("server", "worker")]
        assert process and all(databases) and all(notes)
        for pid in [process.pid, *(part.pid for part in [*notes, *databases] if part)]:
            os.kill(pid, signal.SIGKILL)
    assert platform.flow_process(survivor)
    assert platform.make("status").count(" died ") == 4
    port = platform.port
    platform.make("up")
    assert platform.port == port
    assert platform.make("status").count(" runs ") == 4
    assert deployed(platform) == deployed_before
    # While the server was away it heard no heartbeats: it may take the run for crashed until that completes.
    assert platform.wait_for_state(survivor, "Completed") == "Completed"
    assert rows_by_month(platform) == before | {"2021-01": ROWS["2020-12"]}
    assert platform.wait_for_state(killed, *FINAL) == "Crashed"
    again = platform.submit("api-to-postgres", **parameters_of("2020-12"))
    assert platform.wait_for_state(again, *FINAL) == "Completed"
    assert rows_by_month(platform) == before | {"2021-01": ROWS["2020-12"], "2020-12": ROWS["2020-12"]}
    # The survivor's slot was given back, to a server that has to know of it. The killed run's is leased for minutes.
    assert slots_taken(platform, "api-to-postgres") <= 1


def test_make_down_ends_all_of_it_and_nothing_else(platform: Platform) -> None:
    with subprocess.Popen([sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1"]) as innocent:
        assert any(is_of(process, platform) for process in psutil.process_iter())
        assert "server" in platform.make("down")
        assert not [process for process in psutil.process_iter() if is_of(process, platform)]
        assert not any(platform.databases())
        assert innocent.poll() is None
        innocent.kill()
    assert platform.make("status").count("does not run") == 4
    assert "Nothing was running." in platform.make("down")


def deployed(platform: Platform) -> dict[str, list[Any]]:
    """What there is of each deployment: its id, and the slugs of its schedules."""
    with platform.client() as client:
        return {
            one.name: [
                one.id,
                *sorted((schedule.slug for schedule in one.schedules), key=lambda slug: (slug is None, slug)),
            ]
            for one in client.read_deployments()
        }


def slots_taken(platform: Platform, name: str) -> int:
    """Of the deployment's own limit."""
    with platform.client() as client:
        limit = client.read_deployment_by_name(f"{name}/{name}").global_concurrency_limit
    assert limit
    return int(limit.active_slots)


def add_schedules(platform: Platform, name: str, *slugs: str | None) -> None:
    """To the deployment of that name, once a year."""
    yearly = CronSchedule(cron="0 0 1 1 *", timezone="UTC")
    with platform.client() as client:
        deployment = client.read_deployment_by_name(f"{name}/{name}")
        for slug in slugs:
            client.create_deployment_schedules(deployment.id, [(yearly, True)], slug=slug)


def is_of(process: psutil.Process, platform: Platform) -> bool:
    try:
        return str(platform.folder) in process.environ().get(MARK, "")
    except psutil.Error:
        return False


def real_file(tlc: Path, path: str) -> bytes:
    return (tlc / "cdn" / path.lstrip("/")).read_bytes()


def bytes_sent(platform: Platform, path: str) -> int:
    return sum(request.bytes_sent for request in platform.site.requests if request.path == path)


@contextmanager
def reader(platform: Platform, *, may_break: bool = False) -> Iterator[None]:
    """Somebody reads the table and takes their time: no load can swap its month in meanwhile."""
    connection = platform.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1 from tlc.green_trips limit 1")
            yield
        connection.rollback()
    except psycopg2.Error:
        if not may_break:
            raise
    finally:
        connection.close()


def wait_for_loads_that_want_to_swap(platform: Platform, number: int) -> None:
    """Until so many loads have sent all their rows, and wait for the lock to swap them in."""
    seen: set[int] = set()

    def look() -> bool:
        waiting = platform.query(
            "select pid from pg_stat_activity where application_name = 'nyc-taxi-flows' and wait_event_type = 'Lock'"
        )
        seen.update(pid for (pid,) in waiting)
        return len(seen) >= number

    wait_for(f"{number} loads that wait for the table", look)
