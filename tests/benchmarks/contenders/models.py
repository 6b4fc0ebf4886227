"""A month's marts: as the flow ``build_models`` makes them, or as one script of plain SQL makes the same aggregates.

The flow's time is from the call to its return; dbt's process is a child, whose memory counts.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable

import duckdb
import psycopg2

from blocks.register import load_duckdb_file
from flows import build_models, load_month
from tests.benchmarks.contenders.result import peak_memory_bytes, tell
from tests.plain_marts import PLAIN, TRIPS


def load(month: str, dataset: str = "yellow") -> None:
    """The month, into all targets."""
    started = time.perf_counter()
    report = load_month(dataset=dataset, month=month, targets=["postgres", "gcs", "bigquery"])
    assert not report.failed
    tell(seconds=time.perf_counter() - started)


def built(target: str) -> None:
    """All marts, made anew."""
    started = time.perf_counter()
    report = build_models(target=target, full_refresh=True)
    tell(
        seconds=time.perf_counter() - started,
        dbt_seconds=sum(node.seconds for node in report.nodes),
        nodes=len(report.nodes),
        months=report.months,
        # Of the flow and of dbt, as if both came at once.
        peak_memory_bytes=peak_memory_bytes() + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
    )


def plain(target: str) -> None:
    """The same aggregates, one table each, in one session."""
    if target == "bigquery":
        file = load_duckdb_file()
        assert file
        with duckdb.connect(file) as warehouse:
            warehouse.execute("set memory_limit = '1GB'")  # dbt's
            _tell_plain(warehouse.execute)
        return
    connection = psycopg2.connect(os.environ["TLC_POSTGRES_URL"])
    with connection, connection.cursor() as cursor:
        _tell_plain(cursor.execute)
    connection.close()


def _tell_plain(execute: Callable[[str], object]) -> None:
    execute("drop schema if exists plain cascade")
    execute("create schema plain")
    parts: dict[str, float] = {}
    for mart, sql in PLAIN.items():
        started = time.perf_counter()
        execute(f"create table plain.{mart} as {TRIPS} select * from ({sql}) as made ({_names(sql)})")
        parts[mart] = round(time.perf_counter() - started, 3)
    tell(seconds=sum(parts.values()), parts=parts)


def _names(sql: str) -> str:
    """A name for each column: the query gives some none, and Postgres gives two of them the same."""
    depth, columns = 0, 1
    for at, letter in enumerate(sql):
        depth += (letter == "(") - (letter == ")")
        columns += letter == "," and depth == 0
        if depth == 0 and sql.startswith(" from ", at):
            break
    return ", ".join(f"c{number}" for number in range(columns))


if __name__ == "__main__":
    {"load": load, "built": built, "plain": plain}[sys.argv[1]](*sys.argv[2:])
