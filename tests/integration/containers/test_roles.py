"""The roles of data-postgres on a real server: who loads can't change the ledger, who reads changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors
from psycopg2.extensions import make_dsn
from sqlalchemy.engine import make_url

from tests.servers.compose_file import PROJECT
from tests.servers.postgres_process import open_folder, running_postgres
from tests.servers.third_party import programs_path

LOADER, READER = "canaryofloads", "canaryofreaders"
LEDGER_ROW = """insert into tlc.loads (dataset, month, target, source_url, rows_read, rows_loaded, rows_rejected,
    rejected_by_rule, rows_flagged, flagged_by_rule, bytes_read, seconds, status, content_key, conform_version,
    started_at)
values ('green', '2020-12', 'postgres', 'url', 7, 7, 0, '{}', 0, '{}', 1, 1, 'loaded', 'key', '1', now())"""
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

    def query(self, user: str, statement: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """The rows of a statement in a session of its own, as it commits."""
        password = {"tlc": LOADER, "tlc_reader": READER, "postgres": "postgres"}[user]
        given = {"user": user, "password": password} | ({"dbname": database} if database else {})
        with closing(psycopg2.connect(make_dsn(self.admin_url, **given))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def run(self, module: str) -> subprocess.CompletedProcess[str]:
        """A module of the containers, with the settings of the service ``roles``."""
        settings = {"TLC_DB_ADMIN_URL": self.admin_url, "TLC_DB_PASSWORD": LOADER, "TLC_DB_READ_PASSWORD": READER}
        command = [sys.executable, "-m", f"deployments.containers.{module}"]
        return subprocess.run(
            command, env=os.environ | settings, cwd=PROJECT, capture_output=True, text=True, check=False
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


@pytest.mark.parametrize(
    "attack",
    [
        "update tlc.loads set rows_read = 0",
        "delete from tlc.loads",
        "truncate tlc.loads",
        "select * from tlc.loads for update",
        "alter table tlc.loads disable trigger all",
        "alter table tlc.loads disable trigger keep_ledger",
        "alter table tlc.loads alter rows_read type bigint using 0",
        "alter table tlc.loads drop column rows_read",
        "alter table tlc.loads rename to mine",
        "alter table tlc.loads set schema tlc_marts",
        "alter table tlc.loads owner to tlc",
        "alter table tlc.loads enable row level security",
        "create rule hidden as on select to tlc.loads do instead select 1",
        "create trigger later before insert on tlc.loads execute function suppress_redundant_updates_trigger()",
        "create table tlc.child () inherits (tlc.loads)",
        "drop trigger keep_ledger on tlc.loads",
        "drop table tlc.loads cascade",
        "drop schema tlc cascade",
        "alter schema tlc rename to old",
        "drop function tlc.keep_ledger cascade",
        "alter function tlc.keep_ledger rename to other",
        "create or replace function tlc.keep_ledger() returns trigger language plpgsql as 'begin return new; end'",
        "set session_replication_role = replica",
        "copy tlc.loads to program 'cat'",
        "copy tlc_marts.daily_trips from program 'echo 1'",
        "copy tlc_marts.daily_trips from '/etc/passwd'",
        "create extension file_fdw",
        "create function public.mine() returns int language sql as 'select 1'",
        "create event trigger mine on sql_drop execute function suppress_redundant_updates_trigger()",
        "create role mine superuser",
        "alter role tlc superuser",
        "alter role postgres password 'mine'",
        "grant postgres to tlc",
        "set role postgres",
        "set session authorization postgres",
        "update pg_catalog.pg_class set relowner = 'tlc'::regrole where relname = 'loads'",
        "alter database tlc owner to tlc",
    ],
)
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


def test_an_installation_whose_superuser_was_tlc_is_handed_over() -> None:
    with open_folder() as folder, running_postgres(folder, programs_path(folder), "tlc") as place:
        url = make_url(f"postgresql://{place}")
        server = Server(url.set(username="postgres", password="postgres").render_as_string(hide_password=False))
        with (
            closing(psycopg2.connect(f"postgresql://{place}")) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(OLD_INSTALLATION)
            cursor.execute("alter role tlc password %s", (LOADER,))
        refused = server.run("roles")
        assert refused.returncode == 1
        assert "docs/server.md, Afterwards" in refused.stderr

        done = server.run("hand_over")
        assert done.returncode == 0, done.stderr
        assert server.query("postgres", "select rolname from pg_roles where rolsuper") == [("postgres",)]
        assert server.query("tlc", "select rows_read, source from tlc.loads") == [(7, None)]
        with pytest.raises(errors.InsufficientPrivilege):
            server.query("tlc", "alter table tlc.loads disable trigger all")
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
            server.query("tlc", statement)
        server.query("tlc_reader", "select * from tlc_marts.daily_trips")
        assert server.run("roles").returncode == 0
