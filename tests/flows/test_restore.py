"""A dump of the trips, taken while a month is loaded, in a new server of the newest major: nothing differs there.

With ``make test-major`` the dump is of an older major: this is the upgrade of docs/backup.md.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql
from sqlalchemy.engine import make_url

from deployments.server.declared import PROJECT
from flows import api_to_postgres, load_month, reconcile
from tests.conftest import Database
from tests.servers.postgres_process import open_folder, running_postgres
from tests.servers.third_party import programs_path

MONTH, MEANWHILE = "2020-12", "2023-12"
LEDGER = "select * from tlc.loads order by load_id"
PAGE = (PROJECT / "docs" / "backup.md").read_text(encoding="utf-8")


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lake in a folder and a DuckDB file, which the restored Postgres is compared with."""
    monkeypatch.setenv("TLC_LAKE_URL", f"file://{tmp_path}/lake")
    monkeypatch.setenv("TLC_WAREHOUSE_URL", f"duckdb:///{tmp_path}/warehouse.duckdb")


@pytest.fixture(scope="module")
def new_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The superuser's URL of a new server, and the folder of its programs."""
    with open_folder() as folder:
        programs = programs_path(folder)
        with running_postgres(folder, programs, "restored") as place:
            yield f"postgresql://{place}", Path(shutil.which("pg_dump", path=programs) or "").parent


def option(program: str) -> list[str]:
    """The options that the page gives a program, without user and database."""
    found = re.search(rf"{program} -U \$POSTGRES_USER(?: -d postgres)? ([^']*?)(?: tlc)?'", PAGE)
    assert found
    return found[1].split()


def make_role(url: str, name: str | None) -> None:
    """A dump names the owners of what is in it, and has no roles."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("create role {}").format(sql.Identifier(str(name))))


def dumping(database: Database, programs: Path, file: Path) -> subprocess.Popen[bytes]:
    """A dump that is halted once it has its snapshot, and holds a lock on every table."""
    command = [programs / "pg_dump", *option("pg_dump"), "--file", file, database.url]
    dump = subprocess.Popen(command, stderr=subprocess.PIPE)
    held = (
        "select count(*) from pg_locks l join pg_stat_activity a using (pid) where a.application_name = 'pg_dump' "
        "and a.datname = current_database() and l.relation = to_regclass('tlc.green_trips')"
    )
    deadline = time.monotonic() + 60
    while not database.value(held):
        assert dump.poll() is None, dump.communicate()[1]
        assert time.monotonic() < deadline
    dump.send_signal(signal.SIGSTOP)
    return dump


def test_a_dump_is_restored_in_a_new_server_and_nothing_differs(
    environment: Path,
    lake: None,
    database: Database,
    new_server: tuple[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, programs = new_server
    load_month(dataset="green", month=MONTH)
    api_to_postgres(dataset="green", month=MONTH, force=True)
    ledger = database.query(LEDGER)

    dump = dumping(database, programs, tmp_path / "trips.dump")
    assert dump.poll() is None
    assert api_to_postgres(dataset="green", month=MEANWHILE).status == "loaded"
    dump.send_signal(signal.SIGCONT)
    assert dump.wait(120) == 0
    make_role(url, make_url(database.url).username)
    restoring = [programs / "pg_restore", *option("pg_restore"), "-d", url, tmp_path / "trips.dump"]
    subprocess.run(restoring, check=True)

    name = make_url(database.url).database
    restored = Database(make_url(url).set(database=name).render_as_string(hide_password=False))
    assert restored.query(LEDGER) == ledger
    assert len(ledger) == 2
    monkeypatch.setenv("TLC_POSTGRES_URL", restored.url)
    report = reconcile(dataset="green")
    assert [(month.month, month.differences) for month in report.months] == [(MONTH, [])]
    assert api_to_postgres(dataset="green", month=MONTH).status == "unchanged"
    assert api_to_postgres(dataset="green", month=MEANWHILE).status == "loaded"
