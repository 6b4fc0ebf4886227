"""The roles of data-postgres on a real server: who loads can't change the ledger, who reads changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg2.extensions
import pytest
from psycopg2 import errors
from psycopg2.extensions import make_dsn
from sqlalchemy.engine import make_url

from deployments.containers.hand_over import hand_over
from flows.load.postgres.locks import LockTimeouts
from flows.load.postgres.tables import ensure_tables
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetMismatch
from tests.servers.compose_file import PROJECT
from tests.servers.ledger_attacks import ATTACKS, LEDGER_ROW
from tests.servers.postgres_process import open_folder, running_postgres
from tests.servers.third_party import programs_path

LOADER, READER = "canaryofloads", "canaryofreaders"
# What a dump of such an installation brings back.
OWNED_BY_LOADER = """
alter database tlc owner to tlc; alter schema tlc owner to tlc; alter table tlc.loads owner to tlc;
alter table tlc.rejected_trips owner to tlc; alter function tlc.keep_ledger() owner to tlc;
"""
# As a load of an older version of this project, which had fewer columns, left it.
OLD_INSTALLATION = """
create schema tlc;
create table tlc.loads (load_id bigint generated always as identity primary key, rows_read bigint);
create function tlc.keep_ledger() returns trigger language plpgsql as $$ begin raise exception 'never'; end $$;
create trigger keep_ledger before update or delete on tlc.loads for each row execute function tlc.keep_ledger();
create table tlc.rejected_trips (dataset text, source_month date);
create table tlc.green_trips (source_month date, rows bigint) partition by list (source_month);
create table tlc.green_trips_2020_12 partition of tlc.green_trips for values in ('2020-12-01');
create schema tlc_marts; create view tlc_marts.daily_trips as select * from tlc.green_trips;
create table public.own (id serial); create function public.own() returns int language sql as 'select 1';
insert into tlc.loads (rows_read) values (7);
"""


@dataclass(frozen=True)
class Server:
    """A server by the URL of its superuser."""

    admin_url: str

    def connect(self, user: str, database: str | None = None) -> psycopg2.extensions.connection:
        password = {"tlc": LOADER, "tlc_reader": READER, "postgres": "postgres"}[user]
        given = {"user": user, "password": password} | ({"dbname": database} if database else {})
        return psycopg2.connect(make_dsn(self.admin_url, **given))

    def query(self, user: str, statement: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """The rows of a statement in a session of its own, as it commits."""
        with closing(self.connect(user, database)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def run(self, module: str) -> subprocess.CompletedProcess[str]:
        """A module of the containers, with the settings of the service ``roles``."""
        settings = {"TLC_DB_ADMIN_URL": self.admin_url, "TLC_DB_PASSWORD": LOADER, "TLC_DB_READ_PASSWORD": READER}
        command = [sys.executable, "-m", f"deployments.containers.{module}"]
        return subprocess.run(
            command, env=os.environ | settings, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120
        )


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """With the roles, and what ``tlc`` made as it does: a dataset's table, a mart, one row in the ledger."""
    with open_folder() as folder, running_postgres(folder, programs_path(folder), "tlc", "postgres") as place:
        running = Server(f"postgresql://{place}")
        done = running.run("roles")
        assert done.returncode == 0, done.stderr
        running.query("tlc", LEDGER_ROW)
        running.query("tlc", "create table tlc.green_trips (x int); create schema tlc_marts")
        running.query("tlc", "create table tlc_marts.daily_trips as select 1 as trips")
        yield running


@pytest.mark.parametrize("attack", ATTACKS)
def test_who_loads_cannot_change_the_ledger(server: Server, attack: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        server.query("tlc", attack)
    assert server.query("postgres", "select rows_read from tlc.loads") == [(7,)]
    with pytest.raises(errors.RaiseException, match="never updated or deleted"):
        server.query("postgres", "update tlc.loads set rows_read = 0")


@pytest.mark.parametrize("attack", ["drop database tlc", "alter database tlc rename to other"])
def test_who_loads_cannot_take_the_database_away(server: Server, attack: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        server.query("tlc", attack, database="postgres")


def test_what_drops_all_that_it_owns_leaves_the_ledger_and_the_next_start_mends_its_rights(server: Server) -> None:
    server.query("tlc", "drop owned by tlc")
    assert server.query("postgres", "select rows_read from tlc.loads") == [(7,)]
    assert server.run("roles").returncode == 0
    server.query("tlc", "create table tlc.green_trips (x int); create schema if not exists tlc_marts")
    server.query("tlc", "create table tlc_marts.daily_trips as select 1 as trips")
    assert server.query("tlc", "select rows_read from tlc.loads") == [(7,)]


def test_a_restored_dump_that_made_the_ledger_the_loaders_own_is_mended(server: Server) -> None:
    server.query("postgres", OWNED_BY_LOADER)
    assert server.run("roles").returncode == 0
    for attack in ATTACKS:
        with pytest.raises(errors.InsufficientPrivilege):
            server.query("tlc", attack)
    for attack in ("drop database tlc", "alter database tlc rename to other"):
        with pytest.raises(errors.InsufficientPrivilege):
            server.query("tlc", attack, database="postgres")
    server.query("tlc", "delete from tlc.rejected_trips")


def test_a_start_waits_for_nobody_who_reads(server: Server) -> None:
    with closing(server.connect("tlc_reader")) as reader, reader.cursor() as cursor:
        cursor.execute("select from tlc.loads, tlc.rejected_trips, tlc.green_trips")
        done = server.run("roles")
    assert done.returncode == 0, done.stderr


def test_a_start_that_has_to_change_an_owner_ends_with_the_next_step_if_the_table_is_in_use(server: Server) -> None:
    server.query("postgres", "alter table tlc.rejected_trips owner to tlc")
    with closing(server.connect("tlc_reader")) as reader, reader.cursor() as cursor:
        cursor.execute("select from tlc.rejected_trips")
        refused = server.run("roles")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("In pg_stat_activity is who uses it; run this again")
    assert server.run("roles").returncode == 0
    with pytest.raises(errors.InsufficientPrivilege):
        server.query("tlc", "drop table tlc.rejected_trips")


def test_a_worker_that_is_newer_than_the_server_says_so_and_the_servers_next_start_widens_the_ledger(
    server: Server,
) -> None:
    server.query("postgres", "alter table tlc.loads drop column source")
    with closing(server.connect("tlc")) as connection:
        with pytest.raises(TargetMismatch, match=r"it lacks source, .* First run `docker compose up` of this version"):
            ensure_tables(connection, Dataset.green, LockTimeouts())
        assert server.run("roles").returncode == 0
        ensure_tables(connection, Dataset.green, LockTimeouts())


def test_superuser_calls_no_function_of_who_loads(server: Server) -> None:
    """One that fits a call better than the built-in one, in a schema that the superuser's search path begins with."""
    server.query("tlc", "create schema postgres")
    server.query(
        "tlc",
        """create function postgres.hashtextextended(text, int) returns bigint language plpgsql as $$
        begin alter role tlc superuser; return 1; end $$""",
    )
    assert server.run("roles").returncode == 0
    assert server.query("postgres", "select rolsuper from pg_roles where rolname = 'tlc'") == [(False,)]
    server.query("tlc", "drop schema postgres cascade")


def test_who_reads_sees_what_is_made_later_too_and_changes_nothing(server: Server) -> None:
    server.query("tlc", "create schema tlc_staging; create view tlc_staging.trips as select * from tlc.loads")
    for table in ("tlc.loads", "tlc.green_trips", "tlc_marts.daily_trips", "tlc_staging.trips"):
        server.query("tlc_reader", f"select count(*) from {table}")
    for statement in (
        "insert into tlc.green_trips values (1)",
        "delete from tlc_marts.daily_trips",
        "create table tlc.mine (x int)",
        "create table public.mine (x int)",
        "create schema mine",
        "drop table tlc.green_trips",
        LEDGER_ROW,
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            server.query("tlc_reader", statement)


def test_a_password_that_is_changed_counts_after_the_next_start(server: Server) -> None:
    server.query("postgres", "alter role tlc password 'other'")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        server.query("tlc", "select 1")
    assert server.run("roles").returncode == 0
    assert server.query("tlc", "select 1") == [(1,)]


@pytest.fixture
def old_server() -> Iterator[Server]:
    """Whose superuser is ``tlc``; by the URL that its superuser will have."""
    with open_folder() as folder, running_postgres(folder, programs_path(folder), "tlc") as place:
        with (
            closing(psycopg2.connect(f"postgresql://{place}")) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(OLD_INSTALLATION)
            cursor.execute("alter role tlc password %s", (LOADER,))
        url = make_url(f"postgresql://{place}").set(username="postgres", password="postgres")
        yield Server(url.render_as_string(hide_password=False))


@pytest.mark.parametrize("killed", [False, True])
def test_an_installation_whose_superuser_was_tlc_is_handed_over(old_server: Server, killed: bool) -> None:
    """Also if the first try was killed in the middle."""
    refused = old_server.run("roles")
    assert refused.returncode == 1
    assert "docs/server.md, Afterwards" in refused.stderr
    if killed:
        hand_over(old_server.admin_url, LOADER)
        assert old_server.query("postgres", "select count(*) from pg_roles where rolsuper and rolcanlogin") == [(2,)]

    done = old_server.run("hand_over")
    assert done.returncode == 0, done.stderr
    assert old_server.query("postgres", "select rolname from pg_roles where rolsuper") == [("postgres",)]
    assert old_server.query("tlc", "select rows_read, source from tlc.loads") == [(7, None)]
    with pytest.raises(errors.InsufficientPrivilege):
        old_server.query("tlc", "alter table tlc.loads disable trigger all")
    for statement in (
        "alter table tlc.green_trips detach partition tlc.green_trips_2020_12",
        "drop table tlc.green_trips_2020_12",
        "delete from tlc.rejected_trips",
        "create or replace view tlc_marts.daily_trips as select * from tlc.green_trips",
        "create table tlc_marts.later (x int)",
        "insert into public.own default values",
        "drop table public.own",
        "drop function public.own",
    ):
        old_server.query("tlc", statement)
    old_server.query("tlc_reader", "select * from tlc_marts.daily_trips")
    assert old_server.run("roles").returncode == 0
