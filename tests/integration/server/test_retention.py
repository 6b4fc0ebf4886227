"""What Prefect's server removes from its own database with the image's settings, and what it keeps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate, LogCreate
from prefect.states import Completed, Running

from tests.servers.compose_file import image_environment
from tests.servers.postgres_process import prefect_database
from tests.servers.prefect_process import PrefectServer

pytestmark = pytest.mark.timeout(300)

VACUUM = "PREFECT_SERVER_SERVICES_DB_VACUUM"
SETTINGS = {name: value for name, value in image_environment().items() if name.startswith(VACUUM)}
# How often the server looks, by default each hour.
SOON = {f"{VACUUM}_LOOP_SECONDS": "1"}
KEPT = timedelta(seconds=float(SETTINGS[f"{VACUUM}_RETENTION_PERIOD"]))
EVENTS_KEPT = timedelta(days=7)
# Where a run leaves something, and the column that says which run it is.
TRACES = {"flow_run": "id"} | dict.fromkeys(("flow_run_state", "task_run", "log", "artifact"), "flow_run_id")


@flow(name="api-to-postgres")
def load() -> None:
    """Never called: its runs are made below."""


class Server:
    """A Prefect server that removes at once what is old enough, and its database."""

    def __init__(self, running: PrefectServer, engine: sa.Engine):
        self.running = running
        self._engine = engine

    def make_run(self, *, ended: bool = True) -> UUID:
        """A run with a task run, a log line and an artifact."""
        with self.running.as_client(), get_client(sync_client=True) as client:
            run = client.create_flow_run(load, state=Running())
            client.request(
                "POST", "/task_runs/", json={"flow_run_id": str(run.id), "task_key": "load", "dynamic_key": "0"}
            ).raise_for_status()
            now = datetime.now(UTC)
            line = LogCreate(name="-", level=20, message="-", timestamp=now, flow_run_id=run.id, task_run_id=None)
            client.request("POST", "/logs/", json=[line.model_dump(mode="json")]).raise_for_status()
            made = ArtifactCreate(key="green-2020-12-days", type="markdown", data="-", flow_run_id=run.id)
            client.request("POST", "/artifacts/", json=made.model_dump(mode="json")).raise_for_status()
            if ended:
                client.set_flow_run_state(run.id, Completed(), force=True)
            return run.id

    def let_time_pass(self, ages: dict[UUID, timedelta]) -> None:
        """All at once: the runs began, and those that ended ended, so long ago."""
        began = sa.text("update flow_run set start_time = :at where id = :run")
        ended = sa.text("update flow_run set end_time = :at where id = :run and end_time is not null")
        with self._engine.begin() as connection:
            for run, age in ages.items():
                for statement in (began, ended):
                    connection.execute(statement, {"run": str(run), "at": _ago(age)})

    def traces(self, run: UUID) -> dict[str, int]:
        """Rows of the run, by table; without those that have none."""
        counted = {
            table: self.value(f"select count(*) from {table} where {column} = :run", run=str(run))
            for table, column in TRACES.items()
        }
        return {table: rows for table, rows in counted.items() if rows}

    def value(self, statement: str, **values: object) -> int:
        with self._engine.connect() as connection:
            return int(connection.execute(sa.text(statement), values).scalar_one() or 0)

    def age_events(self, *ages: timedelta) -> list[str]:
        """The ids of as many events, which happened so long ago."""
        wait_until(lambda: self.value("select count(*) from events") >= len(ages))
        with self._engine.begin() as connection:
            found = connection.execute(sa.text("select id from events limit :n"), {"n": len(ages)}).scalars()
            events = [str(event) for event in found]
            for event, age in zip(events, ages, strict=True):
                for table, column in (("events", "id"), ("event_resources", "event_id")):
                    statement = sa.text(f"update {table} set occurred = :at where {column} = :event")
                    connection.execute(statement, {"at": _ago(age), "event": event})
        return events

    def events(self, event: str) -> int:
        return self.value(
            "select (select count(*) from events where id = :event) "
            "+ (select count(*) from event_resources where event_id = :event)",
            event=event,
        )


def _ago(age: timedelta) -> str:
    return (datetime.now(UTC) - age).strftime("%Y-%m-%d %H:%M:%S.%f")


def wait_until(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """On SQLite, as on a laptop without the platform, and on Postgres, as everywhere else."""
    folder: Path = tmp_path_factory.mktemp("retention")
    with ExitStack() as stack:
        settings = SETTINGS | SOON
        url = f"sqlite:///{folder}/prefect.db"
        if request.param == "postgres":
            given = stack.enter_context(prefect_database())
            url = given.replace("+asyncpg", "+psycopg2")
            settings["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = given
        running = stack.enter_context(PrefectServer(folder, **settings))
        engine = sa.create_engine(url)
        stack.callback(engine.dispose)
        yield Server(running, engine)


def test_runs_go_when_they_ended_long_ago_with_all_that_they_left(database: Server) -> None:
    old, young, works = database.make_run(), database.make_run(), database.make_run(ended=False)
    everything = database.traces(old)
    assert everything.keys() == TRACES.keys()

    day = timedelta(days=1)
    database.let_time_pass({old: KEPT + day, young: KEPT - day, works: 2 * KEPT})
    wait_until(lambda: not database.traces(old))

    assert database.traces(young) == everything
    assert database.traces(works).keys() == TRACES.keys()


def test_events_go_after_a_week(database: Server) -> None:
    database.make_run()
    hour = timedelta(hours=1)
    young, old = database.age_events(EVENTS_KEPT - hour, EVENTS_KEPT + hour)
    wait_until(lambda: not database.events(old))
    assert database.events(young)
