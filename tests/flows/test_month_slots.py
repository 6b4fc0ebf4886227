"""The limit over all workers, ``tlc-months``: runs of a deployment take turns, whatever becomes of who has the slot."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.states import Crashed

from blocks.limits import MONTHS_LIMIT
from deployments.local.environment import platform_environment
from deployments.tlc_site.faults import Throttle
from deployments.tlc_site.site import TripSite
from flows.load_month import load_month
from tests.conftest import Database
from tests.flows.conftest import path_of
from tests.servers.prefect_process import ROOT, PrefectServer

pytestmark = pytest.mark.timeout(240)

SLOW = 10_000  # bytes a second: a month of 2,000 rows takes some seconds


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A server that keeps its leases as that of ``make up`` does, and looks for those that are over every second."""
    folder = tmp_path_factory.mktemp("slots")
    name = "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"
    settings = {name: platform_environment(folder, "")[name], "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "1"}
    with PrefectServer(folder, **settings) as server:
        with SyncPrefectClient(server.api_url) as client:
            client.create_deployment(
                client.create_flow(load_month),
                "load-month",
                entrypoint="flows/load_month.py:load_month",
                pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}],
            )
        yield server


@dataclass
class Runs:
    """Runs of the deployment load-month, each in a process as a worker starts it."""

    server: PrefectServer
    environment: dict[str, str]
    folder: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def client(self) -> SyncPrefectClient:
        return SyncPrefectClient(self.server.api_url)

    def start(self, month: object) -> tuple[UUID, subprocess.Popen[bytes]]:
        parameters = {"dataset": "green", "month": str(month), "targets": ["postgres"]}
        with self.client() as client:
            deployment = client.read_deployment_by_name("load-month/load-month")
            run = client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
        with (self.folder / f"{month}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "prefect.engine"],
                env=self.environment | {"PREFECT__FLOW_RUN_ID": str(run.id)},
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(process)
        return run.id, process

    def state(self, run: UUID) -> str:
        with self.client() as client:
            state = client.read_flow_run(run).state
            return state.name if state else "none"

    def slots_taken(self) -> float:
        with self.client() as client:
            return client.read_global_concurrency_limit_by_name(MONTHS_LIMIT).active_slots


@pytest.fixture
def runs(own_server: PrefectServer, site: TripSite, year: list, database: Database, tmp_path: Path) -> Iterator[Runs]:
    """One month at a time; every file comes slowly."""
    for month in year:
        site.fail(path_of(month), Throttle(SLOW), times=None)
    places = {
        "TLC_POSTGRES_URL": database.url,
        "TLC_SOURCE_URL": site.url,
        "TLC_CACHE_DIR": str(tmp_path / "cache"),
        "TLC_LOCAL_DIR": str(tmp_path / "local"),
        "PREFECT_CLIENT_MAX_RETRIES": "7",
    }
    running = Runs(own_server, own_server.environment | places, tmp_path)
    with running.client() as client:
        client.upsert_global_concurrency_limit_by_name(MONTHS_LIMIT, 1)
    yield running
    for process in running.started:
        process.kill()
        process.wait()


def wait_until(condition: Callable[[], object], what: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.2)


def test_months_take_turns_and_a_failed_one_gives_its_slot_back(runs: Runs, site, year, database) -> None:
    site.heal(path_of(year[1]))
    site.put(path_of(year[1]), b"<html>no trips</html>")
    started = [runs.start(month) for month in year[:3]]
    for _, process in started:
        process.wait(120)
    assert [runs.state(run) for run, _ in started] == ["Completed", "Failed", "Completed"]
    turns = database.query("select started_at, loaded_at from tlc.loads order by started_at")
    assert len(turns) == 2
    assert all(ended <= begun for (_, ended), (begun, _) in pairwise(turns)), turns
    assert runs.slots_taken() == 0


def test_slot_of_a_killed_run_is_free_when_its_lease_is_over(runs: Runs, year, own_server, database) -> None:
    _, killed = runs.start(year[0])
    wait_until(lambda: runs.slots_taken() == 1, "the first run has the slot")
    killed.kill()
    killed.wait()
    run, waiting = runs.start(year[1])
    wait_until(lambda: runs.state(run) == "Running", "the second run waits")
    time.sleep(3)
    assert runs.slots_taken() == 1
    assert database.value("select to_regclass('tlc.loads')") is None  # it has not begun

    _let_leases_end(own_server)
    assert waiting.wait(90) == 0
    assert runs.state(run) == "Completed"
    assert runs.slots_taken() == 0


def test_slot_is_given_back_though_the_server_was_started_again_meanwhile(runs: Runs, year, own_server) -> None:
    run, process = runs.start(year[0])
    wait_until(lambda: runs.slots_taken() == 1, "the run has the slot")
    own_server.stop()
    own_server.start()
    assert process.wait(120) == 0
    assert runs.state(run) == "Completed"
    assert runs.slots_taken() == 0


def test_slot_whose_lease_is_lost_blocks_nobody(runs: Runs, year) -> None:
    """As after the restart of a server that keeps its leases in memory."""
    with runs.client() as client:
        unfinished = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
        for run in client.request("POST", "/flow_runs/filter", json=unfinished).json():  # that a test killed
            client.set_flow_run_state(UUID(run["id"]), Crashed(), force=True)
        client.update_global_concurrency_limit(MONTHS_LIMIT, GlobalConcurrencyLimitUpdate(active_slots=1))
    run, process = runs.start(year[2])
    assert process.wait(120) == 0
    assert runs.state(run) == "Completed"
    assert runs.slots_taken() == 0


def _let_leases_end(server: PrefectServer) -> None:
    """Five minutes pass, as far as the server's leases know."""
    over = "2020-01-01T00:00:00+00:00"
    folder = Path(server.environment["PREFECT_HOME"]) / "concurrency_leases"
    for file in folder.glob("*.json"):
        content = json.loads(file.read_text())
        changed = dict.fromkeys(content, over) if file.stem == "expirations" else content | {"expiration": over}
        (folder / ".changed").write_text(json.dumps(changed))
        (folder / ".changed").replace(file)
