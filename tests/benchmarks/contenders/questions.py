"""The questions to one engine in one session, each a few times: ``python -m … ENGINE DATASET MONTH TIMES [FILE …]``."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pyarrow.parquet as pq

from blocks.register import load_duckdb_file
from flows.load.duckdb.files import read_parquet
from flows.load.duckdb.query import QUERY_SETTINGS
from flows.load.duckdb.tables import literal, quoted
from flows.tasks.query import open_query
from flows.tlc.dataset import Dataset
from flows.tlc.locations import SCHEMA, month_of_file, trips_table
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from tests.benchmarks.contenders.result import cpu_seconds, tell
from tests.benchmarks.question_list import SELECTIVE, questions

Rows = list[tuple[Any, ...]]
Ask = Callable[[str], Rows]


@contextmanager
def postgres(change: str = "") -> Iterator[Ask]:
    """Postgres as it was loaded, or with a ``change``, an index less or more, that is never committed."""
    with closing(psycopg2.connect(os.environ["TLC_POSTGRES_URL"])) as connection, connection.cursor() as cursor:
        if change:
            cursor.execute(change)

        def ask(sql: str) -> Rows:
            cursor.execute(sql)
            return cursor.fetchall()

        yield ask


@contextmanager
def warehouse() -> Iterator[Ask]:
    """The DuckDB file, open meanwhile, with the memory that a query of this project gets."""
    with duckdb.connect(_warehouse_file(), read_only=True, config=QUERY_SETTINGS) as connection:
        yield lambda sql: connection.execute(sql).fetchall()


@contextmanager
def lake() -> Iterator[Ask]:
    """``query --target lake``: every question in a session of its own, by the manifests."""

    def ask(sql: str) -> Rows:
        with open_query("lake", sql) as rows:
            return [row for batch in rows for row in zip(*(column.to_pylist() for column in batch), strict=True)]

    yield ask


@contextmanager
def files(dataset: Dataset, paths: Sequence[Path]) -> Iterator[Ask]:
    """Parquet files as they are, TLC's or a lake's, by DuckDB in one session: what the files themselves cost."""
    with tempfile.TemporaryDirectory() as spill, duckdb.connect(config=QUERY_SETTINGS) as connection:
        connection.execute(f"set temp_directory = {literal(spill)}")
        connection.execute(f"create schema {SCHEMA}")
        connection.execute(f"attach {literal(_warehouse_file())} as loaded (read_only)")
        for table in ("zones", "payment_types"):
            connection.execute(f"create table {SCHEMA}.{table} as from loaded.{SCHEMA}.{table}")
        selects = " union all by name ".join(_select(dataset, path) for path in paths)
        connection.execute(f"create view {SCHEMA}.{trips_table(dataset)} as {selects}")
        yield lambda sql: connection.execute(sql).fetchall()


def _select(dataset: Dataset, path: Path) -> str:
    """The file's rows under the conformed names, with the month that the file's name says unless it is a column."""
    names = pq.read_schema(path).names
    columns = [f"{quoted(name)} as {quoted(_conformed(dataset, name))}" for name in names]
    if "source_month" not in names:
        found = month_of_file(path.name)
        assert found is not None
        columns.append(f"date '{found[1].first_day}' as source_month")
    return f"select {', '.join(columns)} from {read_parquet([path])}"


def _conformed(dataset: Dataset, name: str) -> str:
    schema = schema_of(dataset)
    column = None if name in schema.names else schema.find(name)
    return column.name if column else name


def _warehouse_file() -> str:
    file = load_duckdb_file()
    assert file is not None, "the warehouse is a DuckDB file"
    return str(file)


# What is done first to Postgres' indexes. The same engine otherwise, and the same data.
CHANGES = {
    "postgres": "",
    "postgres_no_index": "drop index {schema}.{table}_pickup",
    "postgres_btree": "create index on {schema}.{table} ({pickup}); analyze {schema}.{table}",
    "postgres_btree_zone": "create index on {schema}.{table} (pu_location_id, {pickup}); analyze {schema}.{table}",
}


def engine(name: str, dataset: Dataset, paths: Sequence[Path] = ()) -> AbstractContextManager[Ask]:
    """The engine of that name; ``paths`` are the files of ``files``."""
    if name in CHANGES:
        pickup = schema_of(dataset).role("pickup")
        assert pickup is not None
        return postgres(CHANGES[name].format(schema=SCHEMA, table=trips_table(dataset), pickup=pickup.name))
    return {"warehouse": warehouse, "lake": lake}[name]() if name != "files" else files(dataset, paths)


def plain(rows: Rows) -> list[list[Any]]:
    """The rows as JSON has them, in one order for all engines: groups come first in a row, and are exact."""
    values = [[_plain(value) for value in row] for row in rows]
    return sorted(values, key=lambda row: [f"{value:.9g}" if isinstance(value, float) else str(value) for value in row])


def _plain(value: Any) -> Any:
    if isinstance(value, int | Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date) else value


def main(name: str, dataset: str, month: str, times: str, *paths: str) -> None:
    """Tell the answers, and of each time the seconds and this process' CPU: DuckDB works in it, Postgres does not."""
    found = {}
    with engine(name, Dataset(dataset), [Path(path) for path in paths]) as ask:
        for question, sql in questions(Dataset(dataset), Month.parse(month)).items():
            if CHANGES.get(name) and question not in SELECTIVE:
                continue
            seconds, cpu, rows = [], [], Rows()
            for _ in range(int(times)):
                started, cpu_before = time.perf_counter(), cpu_seconds()
                rows = ask(sql)
                seconds.append(round(time.perf_counter() - started, 5))
                cpu.append(round(cpu_seconds() - cpu_before, 5))
            found[question] = {"seconds": seconds, "cpu_seconds": cpu, "answer": plain(rows)}
    tell(questions=found)


if __name__ == "__main__":
    main(*sys.argv[1:])
