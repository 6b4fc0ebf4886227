"""``roles.sh`` as it stands, on a real Postgres with Cloud SQL's roles, with stand-ins for gcloud and the proxy."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import errors

from tests.servers.ledger_attacks import ATTACKS, LEDGER_ROW
from tests.servers.postgres_process import open_folder, running_postgres
from tests.servers.third_party import programs_path
from tests.terraform.configuration import TERRAFORM
from tests.terraform.stand_ins import make_program

INSTANCE = "my-project-1234:us-east4:tlc"
ADMIN = "cloudsqladmin"  # Google's own superuser
# As Cloud SQL has them: postgres is no superuser, and may not give or take the membership.
CLOUD_SQL = """
create role cloudsqlsuperuser nologin;
create role postgres login createrole createdb in role cloudsqlsuperuser;
create role prefect login createrole createdb in role cloudsqlsuperuser password 'of-prefect';
"""
DATABASES = ["create database tlc owner cloudsqlsuperuser", "create database prefect owner cloudsqlsuperuser"]
GCLOUD = """
import os, pathlib, stat, sys, psycopg2
asked = sys.argv[1:]
options = dict(word.split("=", 1) for word in asked if "=" in word)
assert options["--project"] == "my-project-1234", asked
if asked[:4] == ["secrets", "versions", "access", "latest"]:
    user = {"tlc-postgres-url": "tlc", "tlc-reader-postgres-url": "tlc_reader"}[options["--secret"]]
    print(f"postgresql://{user}:{os.environ['PASSWORDS_BEGIN']}{user}@/tlc?host=/cloudsql/my-project-1234:us-east4:tlc")
else:
    assert asked[:4] == ["sql", "users", "set-password", "postgres"] and options["--instance"] == "tlc", asked
    flags = pathlib.Path(options["--flags-file"])
    assert stat.S_IMODE(flags.stat().st_mode) == 0o600, "others can read the password"
    name, _, password = flags.read_text().partition(": ")
    assert name == "--password"
    connection = psycopg2.connect(os.environ["SUPERUSER_URL"])
    with connection, connection.cursor() as cursor:
        cursor.execute("alter role postgres password %s", (password.strip().strip('"'),))
"""
PROXY = """
import os, pathlib, signal, sys
_, option, folder, instance = sys.argv
assert option == "--unix-socket", sys.argv
place = pathlib.Path(folder, instance)
place.mkdir()
(place / ".s.PGSQL.5432").symlink_to(os.environ["SOCKET"])
signal.pause()
"""


@dataclass(frozen=True)
class CloudSql:
    """An instance with the databases ``tlc`` and ``prefect``."""

    superuser_url: str
    environment: dict[str, str]

    def make_roles(self, passwords_begin: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", TERRAFORM / "roles.sh"],
            env=self.environment | {"PASSWORDS_BEGIN": passwords_begin},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def run(self, user: str, statement: str, *, password: str | None = None, database: str = "tlc") -> list[tuple]:
        """A statement of its own connection, committed at once."""
        if user == ADMIN:
            password = ADMIN
        given = {"user": user, "password": password or f"first-{user}", "dbname": database}
        with closing(psycopg2.connect(self.superuser_url, **given)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def cloud_sql() -> Iterator[CloudSql]:
    with open_folder() as folder:
        path = programs_path(folder)
        with running_postgres(folder, path, ADMIN) as place:
            superuser_url = f"postgresql://{place}"
            with closing(psycopg2.connect(superuser_url)) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    for statement in (CLOUD_SQL, *DATABASES):
                        cursor.execute(statement)
                port = connection.info.port
            programs = folder / "stand-ins"
            make_program(programs / "gcloud", GCLOUD)
            make_program(programs / "cloud-sql-proxy", PROXY)
            make_program(programs / "terraform", f"print({INSTANCE!r}, end='')")
            settings = {
                "PATH": f"{programs}:{os.environ['PATH']}",
                "SUPERUSER_URL": superuser_url,
                "SOCKET": str(folder / "data" / f".s.PGSQL.{port}"),
            }
            instance = CloudSql(superuser_url, os.environ | settings)
            done = instance.make_roles("first-")
            assert done.returncode == 0, done.stderr
            # As a load does: a schema, and tables in it.
            instance.run("tlc", f"{LEDGER_ROW}; create table tlc.green_trips (n int); create schema tlc_marts")
            instance.run(
                "tlc", "insert into tlc.green_trips values (7); create view tlc.all_trips as table tlc.green_trips"
            )
            instance.run("tlc", "create table tlc_marts.daily_trips as select 1 as trips")
            yield instance


@pytest.mark.parametrize(
    "statement",
    ["drop database prefect", "drop database tlc", "create database other", "create role other", "drop role prefect"],
)
def test_flow_run_may_not(cloud_sql: CloudSql, statement: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        cloud_sql.run("tlc", statement)


@pytest.mark.parametrize("attack", ATTACKS)
def test_flow_run_cannot_change_the_ledger(cloud_sql: CloudSql, attack: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        cloud_sql.run("tlc", attack)
    assert cloud_sql.run(ADMIN, "select rows_read from tlc.loads") == [(7,)]
    with pytest.raises(errors.RaiseException, match="never updated or deleted"):
        cloud_sql.run(ADMIN, "update tlc.loads set rows_read = 0")


def test_a_ledger_that_flow_runs_made_is_theirs_no_more(cloud_sql: CloudSql) -> None:
    for owned in ("schema tlc", "table tlc.loads", "table tlc.rejected_trips", "function tlc.keep_ledger()"):
        cloud_sql.run(ADMIN, f"alter {owned} owner to tlc")
    done = cloud_sql.make_roles("first-")
    assert done.returncode == 0, done.stderr
    for attack in ATTACKS:
        with pytest.raises(errors.InsufficientPrivilege):
            cloud_sql.run("tlc", attack)
    cloud_sql.run("tlc", "delete from tlc.rejected_trips")


def test_a_user_that_google_made_is_refused(cloud_sql: CloudSql) -> None:
    cloud_sql.run(ADMIN, "grant cloudsqlsuperuser to tlc")
    try:
        refused = cloud_sql.make_roles("first-")
    finally:
        cloud_sql.run(ADMIN, "revoke cloudsqlsuperuser from tlc")
    assert refused.returncode == 1
    assert "The user tlc was made by an older version" in refused.stderr


def test_the_administrators_password_is_of_no_use_afterwards(cloud_sql: CloudSql) -> None:
    """Each program of this machine can read the command line of gcloud, which has it."""
    assert cloud_sql.run(ADMIN, "select rolpassword from pg_authid where rolname = 'postgres'") == [(None,)]


@pytest.mark.parametrize("user", ["tlc", "tlc_reader"])
def test_who_works_with_trips_does_not_enter_the_servers_database(cloud_sql: CloudSql, user: str) -> None:
    with pytest.raises(psycopg2.OperationalError, match='permission denied for database "prefect"'):
        cloud_sql.run(user, "select 1", database="prefect")


def test_the_server_keeps_its_database(cloud_sql: CloudSql) -> None:
    cloud_sql.run("prefect", "create schema kept", password="of-prefect", database="prefect")


def test_flow_run_and_reader_are_members_of_nothing(cloud_sql: CloudSql) -> None:
    members = cloud_sql.run(
        ADMIN,
        "select member::regrole::text from pg_auth_members where member::regrole::text in ('tlc', 'tlc_reader')",
    )
    assert members == []


def test_reader_reads_all_that_flow_runs_make(cloud_sql: CloudSql) -> None:
    assert cloud_sql.run("tlc_reader", "table tlc.green_trips") == [(7,)]
    assert cloud_sql.run("tlc_reader", "table tlc.all_trips") == [(7,)]
    assert cloud_sql.run("tlc_reader", "select rows_read from tlc.loads") == [(7,)]
    assert cloud_sql.run("tlc_reader", "table tlc.rejected_trips") == []
    cloud_sql.run("tlc", "create table tlc_marts.days as select 3 as trips")
    assert cloud_sql.run("tlc_reader", "table tlc_marts.days") == [(3,)]


@pytest.mark.parametrize(
    "statement", ["delete from tlc.green_trips", "create table tlc.own (n int)", "create schema own", "set role tlc"]
)
def test_reader_only_reads(cloud_sql: CloudSql, statement: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        cloud_sql.run("tlc_reader", statement)


def test_again_changes_only_the_passwords(cloud_sql: CloudSql) -> None:
    done = cloud_sql.make_roles("second-")
    assert done.returncode == 0, done.stderr
    try:
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            cloud_sql.run("tlc", "select 1")
        assert cloud_sql.run("tlc_reader", "table tlc.green_trips", password="second-tlc_reader") == [(7,)]
    finally:
        assert cloud_sql.make_roles("first-").returncode == 0
    assert cloud_sql.run("tlc", "table tlc.green_trips") == [(7,)]


def test_a_proxy_that_ends_is_not_waited_for(cloud_sql: CloudSql, tmp_path: Path) -> None:
    make_program(tmp_path / "cloud-sql-proxy", "raise SystemExit('no credentials')")
    before = set(Path("/tmp").glob("tlc-sql.*"))
    path = f"{tmp_path}:{cloud_sql.environment['PATH']}"

    done = CloudSql(cloud_sql.superuser_url, cloud_sql.environment | {"PATH": path}).make_roles("first-")

    assert done.returncode != 0
    assert "no credentials" in done.stderr
    assert set(Path("/tmp").glob("tlc-sql.*")) == before


def test_no_password_is_in_the_servers_log(cloud_sql: CloudSql) -> None:
    """Which logs each statement that defines something, as the instance of Terraform does."""
    cloud_sql.run(ADMIN, "alter system set log_statement = 'ddl'")
    cloud_sql.run(ADMIN, "select pg_reload_conf()")
    assert cloud_sql.make_roles("first-").returncode == 0
    log = (Path(cloud_sql.environment["SOCKET"]).parents[1] / "log").read_text()
    assert "alter role" in log.lower()
    assert "first-" not in log
