"""Backfills that are killed, cancelled, run twice at once, or shared among workers: real processes, real kills."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
from distributed import LocalCluster
from prefect.client.orchestration import get_client
from prefect.settings import get_current_settings
from prefect.states import Completed, Submitting
from prefect.utilities.callables import parameter_schema

from deployments.tlc_site.faults import Throttle
from deployments.tlc_site.synthetic.months import write_parquet
from flows import backfill
from flows.load_month import load_month
from flows.tlc.dataset import Dataset
from flows.tlc.errors import MonthsFailed, ParameterError
from tests.conftest import Database
from tests.flows.conftest import ROWS, YEAR, path_of

pytestmark = pytest.mark.timeout(240)

ROOT = Path(__file__).resolve().parents[2]
WHOLE_YEAR = {"dataset": "green", "start_month": str(YEAR[0]), "end_month": str(YEAR[-1]), "targets": ["postgres"]}
COUNTS = "select to_char(source_month, 'YYYY-MM'), count(*) from tlc.green_trips group by 1 order by 1"
FULL = [(str(month), ROWS) for month in YEAR]


def environment_of_a_process() -> dict[str, str]:
    return os.environ | {"PREFECT_API_URL": str(get_current_settings().api.url), "PREFECT_LOGGING_LEVEL": "INFO"}


IMPATIENT = "import flows.many_months.runner; flows.many_months.runner.SILENCE_SECONDS = 2.0; "


def start_backfill(log: Path, **parameters: object) -> subprocess.Popen[bytes]:
    """A backfill in a process of its own, which has the default signals."""
    code = f"{IMPATIENT}from flows import backfill; backfill(**{parameters!r})"
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment_of_a_process(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_until(condition: Callable[[], object], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def loaded_months(database: Database) -> list[str]:
    if database.value("select to_regclass('tlc.loads')") is None:
        return []
    return [month for (month,) in database.query("select month from tlc.loads order by 1")]


def test_killed_backfill_is_finished_by_running_it_again(environment, database, year, site, tmp_path) -> None:
    for month in year:
        site.fail(path_of(month), Throttle(60_000), times=None)
    running = start_backfill(tmp_path / "log", **WHOLE_YEAR)
    wait_until(lambda: len(loaded_months(database)) >= 3, "three months loaded")
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    done = loaded_months(database)
    assert 3 <= len(done) < 12
    assert database.query(COUNTS) == [(month, ROWS) for month in done]

    for month in year:
        site.heal(path_of(month))
    report = backfill(**WHOLE_YEAR, max_parallel=4)

    assert {month.month for month in report.months if month.statuses == {"postgres": "unchanged"}} == set(done)
    assert report.months_of("loaded") == [str(month) for month in year if str(month) not in done]
    assert database.query(COUNTS) == FULL
    assert loaded_months(database) == [str(month) for month in year]  # each once


def test_two_backfills_of_overlapping_ranges_load_each_month_once(environment, database, year, tmp_path) -> None:
    ranges = [("2018-07", "2019-02"), ("2018-10", "2019-06")]
    running = [
        start_backfill(tmp_path / start, **WHOLE_YEAR | {"start_month": start, "end_month": end})
        for start, end in ranges
    ]
    for process, (start, _) in zip(running, ranges, strict=True):
        assert process.wait(180) == 0, (tmp_path / start).read_text()[-3000:]
    assert database.query(COUNTS) == FULL
    assert loaded_months(database) == [str(month) for month in year]


def test_cancelled_backfill_stops_within_a_month_and_begins_no_other(
    environment: Path, database, year, site, tmp_path
) -> None:
    rows, slow = 300_000, path_of(year[1])
    write_parquet(Dataset.green, year[1], tmp_path / "large.parquet", rows, anomalies=False)
    content = (tmp_path / "large.parquet").read_bytes()
    site.put(slow, content)
    site.fail(slow, Throttle(300_000), times=None)
    running = start_backfill(tmp_path / "log", **WHOLE_YEAR, max_parallel=1)

    def sent() -> int:
        return sum(request.bytes_sent for request in site.requests if request.path == slow)

    wait_until(lambda: sent() > 500_000, "the large month is on its way")
    running.send_signal(signal.SIGINT)
    assert running.wait(120) != 0
    assert sent() < len(content)
    assert database.query(COUNTS) == [(str(year[0]), ROWS)]
    assert [request for request in site.requests if request.path == path_of(year[2]) and request.method == "GET"] == []
    site.heal(slow)
    assert backfill(**WHOLE_YEAR).months_of("loaded") == [str(month) for month in year[1:]]
    assert database.value("select count(*) from tlc.green_trips where source_month = '2018-08-01'") == rows


def test_cancel_in_the_middle_of_a_copy_leaves_the_month(environment: Path, database, year, site, tmp_path) -> None:
    backfill(**WHOLE_YEAR | {"end_month": str(year[0])})
    rows = 1_500_000
    write_parquet(Dataset.green, year[0], tmp_path / "large.parquet", rows, anomalies=False)
    site.put(path_of(year[0]), (tmp_path / "large.parquet").read_bytes())
    running = start_backfill(tmp_path / "log", **WHOLE_YEAR | {"end_month": str(year[0])})
    copying = "select count(*) from pg_stat_activity where query ilike 'copy%%green_trips%%' and state = 'active'"
    wait_until(lambda: database.value(copying), "the COPY is under way")
    running.send_signal(signal.SIGINT)
    assert running.wait(120) != 0
    assert database.query(COUNTS) == [(str(year[0]), ROWS)]
    assert database.value(copying) == 0


@pytest.fixture
def deployed(prefect: None) -> Iterator[str]:
    """The deployments load-month and backfill in a process work pool; the pool's name."""
    pool = f"backfill-{uuid.uuid4().hex[:8]}"
    with get_client(sync_client=True) as client:
        client.request("POST", "/work_pools/", json={"name": pool, "type": "process"})
        deployments = [
            client.create_deployment(
                client.create_flow(flow),
                flow.name,
                work_pool_name=pool,
                entrypoint=f"flows/{flow.fn.__name__}.py:{flow.fn.__name__}",
                pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}],
                parameter_openapi_schema=parameter_schema(flow.fn).model_dump(),
            )
            for flow in (load_month, backfill)
        ]
        yield pool
        for deployment in deployments:
            client.delete_deployment(deployment)
        client.request("DELETE", f"/work_pools/{pool}")


@contextmanager
def workers(pool: str, names: list[str], folder: Path) -> Iterator[None]:
    environment = environment_of_a_process() | {"PREFECT_WORKER_QUERY_SECONDS": "1"}
    running = []
    try:
        for name in names:
            command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process"]
            with (folder / f"{name}.log").open("wb") as log:
                running.append(
                    subprocess.Popen(
                        [*command, "--name", name, "--limit", "1"],
                        env=environment,
                        cwd=folder,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
        yield
    finally:
        for worker in running:
            worker.terminate()
        for worker in running:
            worker.wait(120)


def runs_in(pool: str) -> list[dict]:
    """Each run of a month that has been submitted to the pool."""
    with get_client(sync_client=True) as client:
        runs = client.request("POST", "/flow_runs/filter", json={"flows": {"name": {"any_": ["load-month"]}}}).json()
    return [run for run in runs if run["work_pool_name"] == pool]


def months_of_runs(pool: str) -> list[str]:
    return [run["parameters"]["month"] for run in runs_in(pool)]


def test_two_workers_share_a_backfill_and_running_it_again_submits_what_is_missing(
    environment: Path, database, year, year_files, site, deployed, tmp_path
) -> None:
    site.put(path_of(year[6]), b"<html>no trips</html>")
    span = {"dataset": "green", "start_month": str(year[4]), "end_month": str(year[7]), "targets": ["postgres"]}
    with workers(deployed, ["one", "two"], tmp_path):
        with pytest.raises(MonthsFailed, match=r"1 of 4 months failed") as error:
            backfill(**span, run_on="work_pool", max_parallel=2)
        assert f"green {year[6]} → postgres" in str(error.value)
        assert "HTML page" in str(error.value)
        assert database.query(COUNTS) == [(str(year[place]), ROWS) for place in (4, 5, 7)]
        assert loaded_months(database) == [str(year[place]) for place in (4, 5, 7)]
        for name in ("one", "two"):
            assert "ubmitting flow run" in (tmp_path / f"{name}.log").read_text(), f"worker {name} had nothing to do"
        assert sorted(months_of_runs(deployed)) == [str(month) for month in year[4:8]]

        site.put(path_of(year[6]), year_files[year[6]])
        again = backfill(**span, run_on="work_pool", max_parallel=2)
    assert again.months_of("unchanged") == [str(year[place]) for place in (4, 5, 7)]
    assert again.months_of("loaded") == [str(year[6])]
    assert sorted(months_of_runs(deployed)) == sorted([*map(str, year[4:8]), str(year[6])])  # what was missing, no more
    assert database.query(COUNTS) == [(str(month), ROWS) for month in year[4:8]]


def test_cancelled_backfill_has_its_runs_cancelled(environment: Path, year, deployed, tmp_path) -> None:
    running = start_backfill(tmp_path / "log", **WHOLE_YEAR, run_on="work_pool", max_parallel=2)

    def states() -> list[str]:
        with get_client(sync_client=True) as client:
            asked = {"flows": {"name": {"any_": ["load-month"]}}}
            runs = client.request("POST", "/flow_runs/filter", json=asked).json()
            return [run["state"]["name"] for run in runs if run["work_pool_name"] == deployed]

    wait_until(lambda: len([state for state in states() if state in ("Scheduled", "Late")]) == 2, "two runs submitted")
    wait_until(lambda: f"worker start --pool {deployed}" in (tmp_path / "log").read_text(), "it says what is missing")
    running.send_signal(signal.SIGINT)
    assert running.wait(120) != 0
    wait_until(lambda: not {"Scheduled", "Late"} & set(states()), "both runs cancelled")
    assert set(states()) <= {"Cancelled", "Cancelling", "Completed", "Failed"}


def test_month_whose_run_is_dead_is_given_up_and_named_and_the_next_one_begins(
    environment: Path, year, deployed, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server without the automations that would say so: who took the run has died."""
    monkeypatch.setenv("TLC_PENDING_MINUTES", "0.17")
    log = tmp_path / "log"
    span = WHOLE_YEAR | {"end_month": str(year[1])}
    running = start_backfill(log, **span, run_on="work_pool", max_parallel=1)
    with get_client(sync_client=True) as client:
        for month, state in ((year[0], Submitting()), (year[1], Completed())):
            wait_until(lambda month=month: str(month) in months_of_runs(deployed), f"{month} is submitted")
            [run] = [run for run in runs_in(deployed) if run["parameters"]["month"] == str(month)]
            client.set_flow_run_state(UUID(run["id"]), state, force=True)
        assert running.wait(120) != 0
    text = log.read_text()
    assert "is given up, and the other months go on. A worker took it, and " in text
    assert f"1 of 2 months failed: green {year[0]} → postgres: its run " in text
    assert [run["state"]["name"] for run in runs_in(deployed)].count("Crashed") == 1


def test_backfill_that_waits_for_its_own_room_says_so_and_goes_on_when_it_gets_some(
    environment: Path, database, year, deployed, tmp_path
) -> None:
    command = [
        sys.executable,
        "-c",
        f"{IMPATIENT}import runpy; runpy.run_module('prefect.engine', run_name='__main__')",
    ]
    span = WHOLE_YEAR | {"end_month": str(year[1]), "run_on": "work_pool"}
    with get_client(sync_client=True) as client:
        run = client.create_flow_run_from_deployment(
            client.read_deployment_by_name("backfill/backfill").id,
            parameters=span,
            job_variables={"command": shlex.join(command)},
        )
        with workers(deployed, ["one"], tmp_path):
            log = tmp_path / "one.log"
            wait_until(lambda: "nothing else, takes the room of the work pool" in log.read_text(), "it says so")
            assert database.value("select to_regclass('tlc.loads')") is None
            with workers(deployed, ["two"], tmp_path):
                wait_until(lambda: client.read_flow_run(run.id).state_name == "Completed", "it has room, and is done")
        # Once a silence: it may fall silent again between the first month's end and the second's start.
        assert log.read_text().count("takes the room of the work pool") in (1, 2)
    assert loaded_months(database) == [str(month) for month in year[:2]]


def test_work_pool_without_the_deployment_is_told_what_to_do(environment: Path, year) -> None:
    with pytest.raises(ParameterError, match=r"python -m deployments\.apply"):
        backfill(**WHOLE_YEAR, run_on="work_pool")


def test_dask_cluster_loads_the_months(environment: Path, database, year) -> None:
    os.environ["PREFECT_API_URL"] = str(get_current_settings().api.url)
    try:
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            span = {"start_month": "2018-11", "end_month": "2019-02"}
            report = backfill(
                **WHOLE_YEAR | span | {"targets": ["postgres", "gcs"]},
                run_on="dask",
                dask_address=cluster.scheduler_address,
            )
    finally:
        del os.environ["PREFECT_API_URL"]
    assert report.months_of("loaded") == ["2018-11", "2018-12", "2019-01", "2019-02"]
    assert [report.rows_loaded for report in report.reports] == [ROWS] * 8
    assert database.query(COUNTS) == [(month, ROWS) for month in report.months_of("loaded")]


def test_run_of_a_deployment_connects_to_no_scheduler_that_its_starter_names(
    environment: Path, database, year, deployed, tmp_path
) -> None:
    """Its process would run what the scheduler sends."""
    with socket.create_server(("127.0.0.1", 0)) as scheduler, get_client(sync_client=True) as client:
        scheduler.setblocking(False)
        address = f"tcp://127.0.0.1:{scheduler.getsockname()[1]}"
        deployment = client.read_deployment_by_name("backfill/backfill").id
        span = WHOLE_YEAR | {"end_month": str(year[1]), "run_on": "dask", "dask_address": address}
        run = client.create_flow_run_from_deployment(deployment, parameters=span)
        with workers(deployed, ["one"], tmp_path):
            wait_until(lambda: client.read_flow_run(run.id).state_name in ("Failed", "Completed", "Crashed"), "its end")
        state = client.read_flow_run(run.id).state
        assert state is not None
        assert f"the Dask scheduler that the deployment names (none), not {address}" in str(state.message)
        with pytest.raises(BlockingIOError):
            scheduler.accept()
    assert loaded_months(database) == []
