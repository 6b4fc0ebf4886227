"""Queries of a real Postgres: rows as Arrow, and a session in which nothing can be written."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psycopg2
import pyarrow as pa
import pytest

from blocks.postgres import postgres_connector, read_only_uri
from flows.load.postgres.query import open_query
from flows.tlc.errors import ParameterError, TargetError, TargetUnavailable


def ask(database, sql: str) -> pa.Table:
    with open_query(read_only_uri(postgres_connector(database.url)), sql) as rows:
        return rows.read_all()


def test_rows_come_in_types_that_every_reader_of_arrow_knows(database) -> None:
    found = ask(
        database,
        "select 1::smallint a, 2.5::numeric n, 'x' t, timestamp '3019-05-01 10:00' ts, null::float8 m, "
        "'{\"k\": 1}'::jsonb j, '0b61b0a8-3f63-4f7e-9c4c-0d3f2e6f3b11'::uuid u, 'NaN'::numeric",
    )
    types = [str(column.type) for column in found.schema]
    assert types == ["int16", "double", "string", "timestamp[us]", "double", "string", "string", "double"]
    row = found.to_pylist()[0]
    assert (row["a"], row["n"], row["m"], row["j"]) == (1, 2.5, None, '{"k": 1}')
    assert row["u"] == "0b61b0a8-3f63-4f7e-9c4c-0d3f2e6f3b11"
    assert row["ts"].year == 3019


@pytest.mark.parametrize("end", [";", " -- the end", "\n;\n", " /* the end */ ;"])
def test_order_is_kept_whatever_ends_the_statement(database, end: str) -> None:
    found = ask(database, f"select g from generate_series(1, 300000) g order by -g{end}")
    assert found["g"].to_pylist() == list(range(300_000, 0, -1))


def test_rows_are_streamed_and_may_be_left(database) -> None:
    sql = "select g, repeat('x', 100) from generate_series(1, 100000000) g"
    with open_query(read_only_uri(postgres_connector(database.url)), sql) as rows:
        assert 0 < next(iter(rows)).num_rows < 1_000_000


WRITING = [
    "create table made (a int)",
    "insert into there values (2)",
    "select * into made from there",
    "with new as (insert into there values (2) returning a) select * from new",
    "copy there to '{folder}/made'",
    "copy there to program 'touch {folder}/made'",
    "select 1) to program 'touch {folder}/made' --",
    "select 1); insert into there values (2); select (1",
    "select nextval('numbers')",
    "set transaction read write",
    "explain analyze insert into there values (2)",
]


@pytest.mark.parametrize("sql", WRITING, ids=range(len(WRITING)))
def test_nothing_is_written(database, tmp_path: Path, sql: str) -> None:
    connection = database.connect()
    with connection, connection.cursor() as cursor:
        cursor.execute("create table there as select 1 as a; create sequence numbers")
    connection.close()
    tmp_path.chmod(0o777)
    with pytest.raises(TargetError, match=r"^Postgres: "):
        ask(database, sql.format(folder=tmp_path))
    assert database.query("select a from there") == [(1,)]
    assert database.value("select to_regclass('made')") is None
    assert database.value("select is_called from numbers") is False
    assert not (tmp_path / "made").exists()


def test_errors_are_what_postgres_says(database) -> None:
    with pytest.raises(TargetError, match=r'^Postgres: column "nope" does not exist\.$'):
        ask(database, "select nope from pg_class")
    with pytest.raises(TargetError, match=r'Perhaps you meant to reference the column "pg_class.relname"'):
        ask(database, "select relnam from pg_class")
    with pytest.raises(TargetError, match=r"^Postgres: division by zero\.$"):  # after 190,000 rows
        ask(database, "select 1 / (g - 190000) from generate_series(1, 200000) g")
    with pytest.raises(ParameterError, match="the query is empty"):
        ask(database, " ; ")


def test_no_error_shows_the_password(database) -> None:
    block = postgres_connector("postgresql://me:cana%2Fry%20+@127.0.0.1:9/db")
    uri = read_only_uri(block)
    assert "password=cana%2Fry%20%2B" in uri
    with pytest.raises(TargetUnavailable, match=r"127\.0\.0\.1.* refused") as failed, open_query(uri, "select 1"):
        pass
    cause = failed.value.__cause__
    assert "cana" not in f"{failed.value!r} {failed.value} {cause!r} {cause}"


def test_options_of_the_url_are_kept(database) -> None:
    block = postgres_connector(f"{database.url}&options=-c%20statement_timeout%3D200")
    uri = read_only_uri(block)
    with pytest.raises(TargetError, match="statement timeout"), open_query(uri, "select pg_sleep(9)::text") as rows:
        rows.read_all()
    with open_query(uri, "select current_setting('default_transaction_read_only') as it") as rows:
        assert rows.read_all()["it"].to_pylist() == ["on"]
    with closing(psycopg2.connect(uri)) as connection, connection.cursor() as cursor:
        cursor.execute("select current_setting('application_name')")
        assert cursor.fetchone() == ("nyc-taxi-flows",)
