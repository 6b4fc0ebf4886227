"""The platform of docker-compose.yml, its services started for real as processes: all but their containers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest

from deployments.tlc_site.site import TripSite
from tests.servers.compose_commands import compose_lines, run_line
from tests.servers.composed import Composed
from tests.servers.postgres_process import OPEN

SECRETS = {
    "PREFECT_AUTH": "tlc:canary-of-the-server",
    "PREFECT_ENCRYPTION_KEY": "mSN5cNN2qnWe0Q5JVVBpQu1Zo2PFVS9PTFBWLwH5lD8=",
    "PREFECT_DB_PASSWORD": "canaryofprefect",
    "REDIS_PASSWORD": "canaryofredis",
    "TLC_DB_ADMIN_PASSWORD": "canaryoftheowner",
    "TLC_DB_PASSWORD": "canaryofthedata",
    "TLC_DB_READ_PASSWORD": "canaryofthereaders",
}


# Six Prefect processes one after the other, twice: two minutes of CPU, and more on a busy machine.
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def composed(tlc: Path) -> Iterator[Composed]:
    """Everything but the emulator, from nothing to a worker that polls, with the real files as the source."""
    with (
        TripSite([tlc / "cdn", tlc / "mirror"]) as site,
        tempfile.TemporaryDirectory(prefix="tlc-compose-", dir=OPEN) as folder,
    ):
        Path(folder).chmod(0o755)
        given = SECRETS | {"TLC_SOURCE_URL": site.url}
        with Composed(Path(folder), given, ["services", "worker"]) as running:
            yield running


def test_a_run_submitted_to_the_server_is_loaded_by_the_worker(composed: Composed) -> None:
    """Also: the worker and the services say of themselves that they are well."""
    composed.wait("worker")
    composed.wait("services")

    run = "prefect deployment run api-to-postgres/api-to-postgres -p dataset=green -p month=2020-12 --watch"
    composed.run("deploy", *run.split(), log="worker")

    with composed.connect("data-postgres") as connection, connection.cursor() as cursor:
        cursor.execute("select rows_loaded, status from tlc.loads")
        assert cursor.fetchall() == [(83_130, "loaded")]
        cursor.execute("select count(*) from tlc.green_trips")
        assert cursor.fetchone() == (83_130,)


def test_flows_load_as_a_role_that_cannot_change_the_ledger(composed: Composed) -> None:
    loader = composed.url("data-postgres", "tlc", SECRETS["TLC_DB_PASSWORD"])
    with closing(psycopg2.connect(loader)) as connection, connection.cursor() as cursor:
        cursor.execute("select tableowner from pg_tables where tablename = 'green_trips'")
        assert cursor.fetchone() == ("tlc",)
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("alter table tlc.loads disable trigger all")


@pytest.mark.parametrize("service", ["server", "services", "worker"])
def test_health_checks_know_the_process_to_end(composed: Composed, service: str) -> None:
    composed.wait(service)
    noted = composed.folder / "prefect" / "main" / f"{service}.pid"
    command = Path(f"/proc/{noted.read_text().strip()}/cmdline").read_bytes().split(b"\0")
    assert [Path(word.decode()).name for word in command[1:3]] == [
        "prefect",
        "worker" if service == "worker" else "server",
    ]


def test_what_runs_put_aside_is_on_the_volume_and_private(composed: Composed) -> None:
    folder = Path(composed.setting("worker", "TMPDIR"))
    assert folder == composed.folder / "data" / "tmp"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_same_image_runs_a_flow_by_hand(composed: Composed) -> None:
    """With the blocks of the server, and no deployment."""
    call = "from flows import api_to_postgres; print(api_to_postgres(dataset='green', month='2020-12').status)"
    assert composed.run("worker", "python", "-c", call).split()[-1] == "unchanged"


def ask(composed: Composed, path: str, body: dict[str, Any]) -> Any:
    """What the server's API answers to a POST."""
    user, _, password = SECRETS["PREFECT_AUTH"].partition(":")
    url = f"http://127.0.0.1:{composed.port['server:4200']}/api/{path}"
    return httpx.post(url, json=body, auth=(user, password)).raise_for_status().json()


def test_server_answers_nobody_without_the_password(composed: Composed) -> None:
    api = f"http://127.0.0.1:{composed.port['server:4200']}/api"
    assert httpx.get(f"{api}/health").status_code == 200
    assert httpx.post(f"{api}/flows/filter").status_code == 401
    assert ask(composed, "flows/filter", {})


def test_server_shows_the_ui_from_a_folder_that_the_image_lets_it_write(composed: Composed) -> None:
    """Not from the packages' own, which its user cannot write: without a copy there is no UI, and no failure either."""
    page = httpx.get(f"http://127.0.0.1:{composed.port['server:4200']}/", follow_redirects=True)
    assert page.status_code == 200
    assert "<html" in page.text
    folder = Path(composed.setting("server", "PREFECT_SERVER_UI_STATIC_DIRECTORY"))
    assert folder.is_relative_to(composed.folder), "not a place of this test's, as what is replaced of the image's is"
    assert page.text in {copy.read_text(encoding="utf-8") for copy in folder.glob("*/index.html")}


def test_background_services_schedule_and_keep_events(composed: Composed) -> None:
    """They are another process than the API: what they do went through Redis and the common database."""
    runs = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}, "limit": 1}
    assert ask(composed, "flow_runs/filter", runs)
    events = ask(composed, "events/filter", {"filter": {"event": {"prefix": ["prefect.flow-run."]}}})["events"]
    assert "prefect.flow-run.Completed" in {event["event"] for event in events}


def test_background_services_look_for_redis_nowhere_else(composed: Composed) -> None:
    """Each of their parts has settings of its own, whose default is this machine's."""
    assert "localhost:6379" not in (composed.folder / "services.log").read_text(encoding="utf-8")


def test_silent_runs_are_told_by_three_of_the_images_heartbeats(composed: Composed) -> None:
    beat = float(composed.setting("worker", "PREFECT_FLOWS_HEARTBEAT_FREQUENCY"))
    assert 3 * beat in {automation["trigger"].get("within") for automation in ask(composed, "automations/filter", {})}


def test_neither_database_nor_log_has_a_secret_in_plain_text(composed: Composed) -> None:
    """The block with the data's password is encrypted, and its key is not beside it."""
    with composed.connect("prefect-postgres") as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from block_document where name = 'tlc-postgres'")
        assert cursor.fetchone() == (1,)
        cursor.execute("select data::text from block_document")
        assert SECRETS["TLC_DB_PASSWORD"] not in str(cursor.fetchall())
        cursor.execute("select key from configuration")
        assert ("ENCRYPTION_KEY",) not in cursor.fetchall()
    written = {path.name: path.read_text(errors="replace") for path in composed.folder.glob("*.log")}
    assert {"server.log", "services.log", "worker.log", "deploy.log"} <= written.keys()
    told = [(name, secret) for name, text in written.items() for secret in SECRETS.values() if secret in text]
    assert told == []


LEDGER = "select load_id, dataset, month, rows_loaded, status, flow_run_id, loaded_at from tlc.loads order by 1"
RUNS = "select id::text from flow_run where state_type = 'COMPLETED'"


def rows(composed: Composed, service: str, statement: str) -> list[tuple]:
    with closing(composed.connect(service)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def call(composed: Composed, expression: str) -> str:
    """What an expression with a flow is, evaluated as a user would in the image, with the server's blocks."""
    return composed.run("worker", "python", "-c", f"import flows; print({expression})").splitlines()[-1]


def test_a_backup_is_restored_by_the_lines_of_the_page(composed: Composed, tmp_path: Path) -> None:
    """Into databases made anew and an empty volume: all is as it was, the blocks can be read, and runs are taken."""
    call(composed, "flows.load_month(dataset='green', month='2020-12', force=True)")
    for line in compose_lines("docs/backup.md", "### Back up"):
        run_line(composed, line, tmp_path)
    ledger, runs = rows(composed, "data-postgres", LEDGER), set(rows(composed, "prefect-postgres", RUNS))
    assert {(run,) for *_, run, _ in ledger} <= runs

    call(composed, "flows.load_month(dataset='green', month='2023-12')")
    for line in compose_lines("docs/backup.md", "### Restore"):
        run_line(composed, line, tmp_path)

    assert rows(composed, "data-postgres", LEDGER) == ledger
    assert runs <= set(rows(composed, "prefect-postgres", RUNS))
    assert "2020-12 is the same in" in call(composed, "flows.reconcile(dataset='green').sentence")
    assert call(composed, "flows.api_to_postgres(dataset='green', month='2020-12').status") == "unchanged"

    run = "prefect deployment run load-month/load-month -p dataset=green -p month=2023-12 --watch"
    composed.run("deploy", *run.split(), log="worker")
    assert rows(composed, "data-postgres", "select count(*) from tlc.green_trips") == [(83_130 + 64_215,)]
