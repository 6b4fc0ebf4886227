"""The exporter against real targets and a real Prefect server: what it says is what was loaded, compared and failed."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL
from prefect.states import Crashed, Failed, Scheduled
from prometheus_client.parser import text_string_to_metric_families

from deployments.metrics import parts
from deployments.metrics.collector import PartsCollector
from deployments.metrics.parts import Part
from deployments.server.declared import PROJECT
from flows import load_month, reconcile
from flows.tlc.errors import CheckFailed, TargetError
from flows.tlc.report import TARGETS
from tests.servers.prefect_process import PrefectServer

PAGE = (PROJECT / "docs/metrics.md").read_text(encoding="utf-8")
COMMAND = [sys.executable, *re.findall(r"\.venv/bin/python (-m \S+)", PAGE)[0].split()]
ROWS = 83_130
PLACES = ("postgres", "lake", "warehouse")
Page = dict[tuple[str, ...], float]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A server without the runs and comparisons of other tests."""
    with PrefectServer(tmp_path_factory.mktemp("counted")) as running:
        yield running


@pytest.fixture
def places(environment: Path, server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A lake in a folder and a DuckDB file as the warehouse."""
    monkeypatch.setenv("TLC_LAKE_URL", f"file://{tmp_path}/lake")
    monkeypatch.setenv("TLC_WAREHOUSE_URL", f"duckdb:///{tmp_path}/warehouse.duckdb")
    (tmp_path / "local").mkdir()
    with server.as_client():
        yield tmp_path


@pytest.fixture
def exporter(places: Path) -> Iterator[str]:
    """The command as a process on a free port; its page's URL, which it prints."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0"],
        cwd=PROJECT,
        env=os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value()},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert select.select([process.stdout], [], [], 60)[0]
    yield process.stdout.readline().strip()
    process.terminate()
    process.wait(120)


def values(text: str) -> Page:
    """The page by name and labels, which it has in the order of their declaration."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def page_when(url: str, *parts_up: str) -> Page:
    """The page once these parts are up: of a cold start, the first may come before they have answered."""
    deadline = time.monotonic() + 60
    while True:
        page = values(httpx.get(url, timeout=10).raise_for_status().text)
        if all(page[("tlc_up", part)] for part in parts_up):
            return page
        assert time.monotonic() < deadline, page


def test_page_says_what_is_loaded_compared_and_failed(places: Path, exporter: str, database) -> None:
    begun = time.time()
    load_month(dataset="green", month="2020-12", targets=list(TARGETS))
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("delete from tlc.green_trips where total_amount > 100")
        gone = cursor.rowcount
    with pytest.raises(CheckFailed):
        reconcile(dataset="green")
    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name("api-to-gcs")
        deployment = client.create_deployment(flow, "api-to-gcs")
        states = [Failed(), Failed(), Crashed(), Scheduled()]
        runs = [client.create_flow_run_from_deployment(deployment, state=state) for state in states]
        client.set_flow_run_state(runs[-1].id, Scheduled(name="Late"), force=True)

    page = page_when(exporter, *(part.name for part in parts.PARTS))

    assert gone > 0
    for place in PLACES:
        assert page[("tlc_rows_loaded", "green", place)] == ROWS
        assert page[("tlc_rows_loaded_last_day", "green", place)] == ROWS
        assert page[("tlc_months_loaded", "green", place)] == 1
        assert page[("tlc_months_behind", "green", place)] > 60
        assert begun <= page[("tlc_last_load_timestamp_seconds", "green", place)] <= time.time()
        assert page[("tlc_last_load_seconds", "green", place)] == page[("tlc_median_load_seconds", "green", place)] > 0
    assert page[("tlc_last_load_seconds", "green", "postgres")] == database.value("select seconds from tlc.loads")
    assert [name for name in page if "yellow" in name] == []
    assert page[("tlc_failed_runs_last_day", "api-to-gcs", "failed")] == 2
    assert page[("tlc_failed_runs_last_day", "api-to-gcs", "crashed")] == 1
    assert page[("tlc_failed_runs_last_day", "backfill", "failed")] == 0
    assert page[("tlc_late_runs", "api-to-gcs")] == 1
    assert page[("tlc_late_runs", "backfill")] == 0
    assert page[("tlc_reconcile_months", "green")] == page[("tlc_reconcile_differing_months", "green")] == 1
    assert begun <= page[("tlc_reconcile_timestamp_seconds", "green")] <= time.time()
    assert 0 < page[("tlc_disk_free_bytes",)] < page[("tlc_disk_size_bytes",)]
    assert {name[0] for name in page if name[0].startswith("tlc_models")} == set()  # none was built


def test_age_of_the_models_is_that_of_the_last_month_built(places: Path, database) -> None:
    """Not that of the last run, which may have found nothing to build."""
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("create schema tlc_marts; create table tlc_marts.model_builds (built_at timestamptz)")
    assert parts.read_postgres() == []
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("insert into tlc_marts.model_builds values ('2026-11-01T00:00Z'), ('2026-11-02T00:00Z')")
    (sample,) = parts.read_postgres()
    assert (sample.metric.name, sample.labels) == ("tlc_models_built_timestamp_seconds", ("postgres",))
    assert sample.value == datetime(2026, 11, 2, tzinfo=UTC).timestamp()
    with duckdb.connect(str(places / "warehouse.duckdb")) as warehouse:
        warehouse.execute("create schema tlc_marts")
        warehouse.execute(
            "create table tlc_marts.model_builds as select timestamptz '2026-11-03 00:00:00+00' as built_at"
        )
    (sample,) = parts.read_warehouse()
    assert (sample.metric.name, sample.labels) == ("tlc_models_built_timestamp_seconds", ("warehouse",))
    assert sample.value == datetime(2026, 11, 3, tzinfo=UTC).timestamp()


def test_targets_that_have_nothing_are_up_and_nothing_is_made_in_them(places: Path, database) -> None:
    assert parts.read_postgres() == parts.read_lake() == parts.read_warehouse() == []
    assert not (places / "warehouse.duckdb").exists()
    assert database.value("select count(*) from pg_namespace where nspname like 'tlc%%'") == 0


def test_a_locked_ledger_keeps_no_page_waiting(
    places: Path, database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The statement is ended, and the values are back once the lock is gone."""
    load_month(dataset="green", month="2020-12", targets=["postgres"])
    collector = PartsCollector([Part("postgres", parts.read_postgres, 0.5)], wait=0.2)
    monkeypatch.setattr(parts, "STATEMENT_SECONDS", 600)  # longer than a test may take
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("lock table tlc.loads in access exclusive mode")
        samples = [sample for family in collector.collect() for sample in family.samples]
        assert [(sample.name, sample.value) for sample in samples] == [("tlc_up", 0)]
        monkeypatch.setattr(parts, "STATEMENT_SECONDS", 1)
        with pytest.raises(TargetError, match="statement timeout"):
            parts.read_postgres()
    assert "tlc_rows_loaded" in {sample.metric.name for sample in parts.read_postgres()}


def test_postgres_is_read_in_a_session_that_cannot_write(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(connection, _dataset) -> dict:
        with connection, connection.cursor() as cursor:
            cursor.execute("create table written ()")
        return {}

    monkeypatch.setattr(parts, "loads_in_postgres", write)
    with pytest.raises(TargetError, match="read-only transaction"):
        parts.read_postgres()


def test_a_server_or_database_out_of_reach_is_down_and_the_log_has_no_password(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a process of its own: the page answers, and nothing of the last values is left on it."""
    environment = os.environ | {
        "PREFECT_API_URL": "http://127.0.0.1:1/api",
        "PREFECT_API_AUTH_STRING": "tlc:canary-of-the-server",
    }
    process = subprocess.Popen(
        [*COMMAND, "--port", "0"],
        cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout and process.stderr
    assert select.select([process.stdout], [], [], 60)[0]
    page = page_when(process.stdout.readline().strip(), "disk")
    told = ""
    while "runs cannot be read" not in told:  # the page waits for no part, this does for the log
        assert select.select([process.stderr], [], [], 60)[0], told
        told += os.read(process.stderr.fileno(), 1 << 16).decode()
    process.terminate()
    told += process.communicate(timeout=30)[1]
    assert {name[1]: value for name, value in page.items() if name[0] == "tlc_up"} == {
        "postgres": 0, "lake": 0, "warehouse": 0, "runs": 0, "reconcile": 0, "disk": 1,
    }  # fmt: skip
    assert {name[0] for name in page} == {
        "tlc_build_info", "tlc_up", "tlc_read_timestamp_seconds", "tlc_disk_free_bytes", "tlc_disk_size_bytes",
    }  # fmt: skip
    assert "runs cannot be read: ConnectError" in told
    assert "canary" not in told


def test_without_a_server_it_says_what_is_missing(places: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    environment |= {"PREFECT_HOME": str(places / "prefect")}
    done = subprocess.run(
        COMMAND,
        cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert re.search("^PREFECT_API_URL is not set", done.stderr, re.M)
