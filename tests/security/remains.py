"""Everything that runs leave behind, as bytes by where they were found."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import duckdb
import httpx
import pyarrow.parquet as pq

Remains = Iterator[tuple[str, bytes]]

# What Prefect's API shows to whoever may ask it, blocks as the UI gets them included.
API_LISTS = (
    "artifacts", "automations", "block_documents", "deployments", "events", "flow_runs", "flows", "logs", "task_runs",
    "variables",
)  # fmt: skip


def of_files(folder: Path) -> Remains:
    """Names and contents of all files, and what is compressed in the Parquet files."""
    for path in folder.rglob("*"):
        yield f"name of {path}", str(path.relative_to(folder)).encode()
        if path.is_file():
            yield str(path), path.read_bytes()
        if path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            yield f"metadata of {path}", repr((file.metadata, file.schema_arrow.metadata)).encode()


def of_sqlite(path: Path) -> Remains:
    """Every value of every table: also what is on no page in one piece."""
    with sqlite3.connect(path) as connection:
        tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            for row in connection.execute(f'select * from "{table}"'):
                yield f"{path.name}: {table}", repr(row).encode()


def of_duckdb(path: Path) -> Remains:
    with duckdb.connect(path, read_only=True) as connection:
        tables = connection.execute("select table_name from duckdb_tables() where table_name not like '%trips'")
        for (table,) in tables.fetchall():
            yield f"{path.name}: {table}", repr(connection.execute(f'select * from tlc."{table}"').fetchall()).encode()
        yield f"{path.name}: comments", repr(connection.execute("from duckdb_columns()").fetchall()).encode()


def of_postgres(query) -> Remains:
    """Every row of every table, and who is connected with what."""
    tables = query("select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('tlc', 'mage')")
    assert ("tlc.loads",) in tables
    for (table,) in tables:
        yield f"Postgres: {table}", repr(query(f"select distinct t::text from {table} t")).encode()
    yield "Postgres: activity", repr(query("select application_name, query from pg_stat_activity")).encode()
    yield "Postgres: comments", repr(query("select description from pg_description")).encode()


def of_api(api_url: str) -> Remains:
    for name in API_LISTS:
        offset = 0
        while True:
            body = {} if name == "events" else {"offset": offset, "limit": 200}
            answer = httpx.post(f"{api_url}/{name}/filter", json=body, timeout=30)
            assert answer.is_success, answer.text
            yield f"API: {name}", answer.content
            page = answer.json()
            if not isinstance(page, list) or len(page) < 200:
                break
            offset += 200
