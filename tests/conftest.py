"""What every test may ask for: real trip files, a web server with them, a Postgres database of its own, Prefect."""

from __future__ import annotations

import os
import signal
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import psycopg2
import pytest
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from sqlalchemy.engine import make_url

from blocks.embedded_postgres import start_postgres, stop_postgres
from blocks.settings import make_private
from deployments.server.declared import PROJECT
from deployments.tlc_site.site import TripSite
from flows.dbt.process import models_python
from flows.tlc.errors import ModelsNotInstalled
from tests.servers.postgres_process import prefect_database
from tests.servers.prefect_process import PrefectServer
from tests.servers.webhook_receiver import WebhookReceiver

os.environ.pop("COLUMNS", None)  # tables are as wide as in a pipe, whatever the terminal that the tests run in

# A shell that ignores Ctrl-C hands that on, also to processes that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The machine's own is shared with other users. Each checkout has one of its own, and processes that tests start, too.
_TEMPORARY = PROJECT / ".local" / "tests"
make_private(_TEMPORARY.parent)
make_private(_TEMPORARY)
os.environ["TMPDIR"] = str(_TEMPORARY)
tempfile.tempdir = None

TLC = Path(__file__).resolve().parents[1].parent / "shared" / "tlc"


# Tests that run only if their marker is asked for, and what to do for that.
_ON_DEMAND = {
    "cloud": "asks the cloud: TLC_CLOUD_PROJECT=… pytest -m cloud",
    "kills": "half an hour: make test-kills",
    "oracles": "downloads months of the mirror: make oracles",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip by name what was not asked for."""
    asked = str(config.getoption("-m"))
    for item in items:
        for marker, how in _ON_DEMAND.items():
            can = marker != "cloud" or os.environ.get("TLC_CLOUD_PROJECT")
            if item.get_closest_marker(marker) and not (marker in asked and can):
                item.add_marker(pytest.mark.skip(reason=how))


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """What a command sets that is called in this process (a quiet log, above all) is gone with the test."""
    with patch.dict(os.environ):
        yield


@pytest.fixture(scope="session")
def tlc() -> Path:
    """The folder of real trip files; without it the test is skipped by name, and CI fails."""
    if not TLC.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{TLC} is not there: CI runs no test on real trip files")
        pytest.skip(f"NO REAL TRIP FILES: {TLC} is not there")
    return TLC


@pytest.fixture(scope="session")
def bigquery_adapter() -> None:
    """dbt is there, for BigQuery too; without it tests are skipped by name, and CI fails."""
    try:
        if list(models_python().parent.parent.glob("lib/*/site-packages/dbt/adapters/bigquery")):
            return
    except ModelsNotInstalled:
        pass
    if os.environ.get("CI"):
        pytest.fail("dbt's adapter for BigQuery is not installed: make models BIGQUERY=1")
    pytest.skip("NO BIGQUERY ADAPTER: make models BIGQUERY=1")


@pytest.fixture(scope="session")
def dbt() -> None:
    """dbt is there; without it tests are skipped by name, and CI fails."""
    try:
        models_python()
    except ModelsNotInstalled as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(f"NO DBT: {error}")


@pytest.fixture
def site(tlc: Path) -> Iterator[TripSite]:
    """TLC's site and the mirror in one, with the real files."""
    with TripSite([tlc / "cdn", tlc / "mirror"]) as running:
        yield running


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a Postgres server for the session: the embedded one, or TLC_TEST_POSTGRES_URL where that is set."""
    if given := os.environ.get("TLC_TEST_POSTGRES_URL"):
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="tlc-test-") as folder:
        yield start_postgres(Path(folder) / "pg")
        stop_postgres(Path(folder) / "pg")


@dataclass(frozen=True)
class Database:
    """A database of a test's own."""

    url: str

    def connect(self) -> psycopg2.extensions.connection:
        return psycopg2.connect(self.url)

    def query(self, statement: str, *values: object) -> list[tuple]:
        """The rows of one statement, in a connection of its own."""
        connection = self.connect()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall()
        finally:
            connection.close()

    def value(self, statement: str, *values: object) -> object:
        return self.query(statement, *values)[0][0]


@pytest.fixture
def database(postgres_server: str) -> Iterator[Database]:
    """An empty database, dropped afterwards with whoever is still connected."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    server = psycopg2.connect(postgres_server)
    server.autocommit = True
    with server.cursor() as cursor:
        cursor.execute(f"create database {name}")
        yield Database(make_url(postgres_server).set(database=name).render_as_string(hide_password=False))
        cursor.execute(f"drop database {name} with (force)")
    server.close()


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One Prefect server for the session, and the URL of its database: Postgres, which takes its many writes faster."""
    folder = tmp_path_factory.mktemp("prefect")
    with (
        prefect_database() as url,
        PrefectServer(folder, PREFECT_SERVER_DATABASE_CONNECTION_URL=url) as running,
        running.as_client(),
    ):
        yield url.replace("+asyncpg", "")
        # What waits to be sent would be tried for a minute when this process ends.
        APILogWorker.drain_all()
        EventsWorker.drain_all()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A Prefect server as a process of its own, for what has to outlive the process of a run."""
    with PrefectServer(tmp_path_factory.mktemp("prefect-server")) as running:
        yield running


@pytest.fixture(scope="session")
def receiver() -> Iterator[WebhookReceiver]:
    """The webhook that alerts go to."""
    listening = WebhookReceiver()
    yield listening
    listening.close()


@pytest.fixture
def environment(
    prefect: str, site: TripSite, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The environment in which a flow finds its source, its database and a cache; returns the cache's folder."""
    cache = tmp_path / "cache"
    for name, value in {
        "TLC_POSTGRES_URL": database.url,
        "TLC_SOURCE_URL": site.url,
        "TLC_MIRROR_URL": site.url,
        "TLC_CACHE_DIR": str(cache),
        "TLC_LOCAL_DIR": str(tmp_path / "local"),
    }.items():
        monkeypatch.setenv(name, value)
    yield cache
    stop_postgres(tmp_path / "local" / "postgres")  # where a test went without TLC_POSTGRES_URL
