"""The limit: the server reads ready binary files itself, with COPY FREEZE into tables made by the same transaction.

Nothing is read over a connection, converted, checked, indexed or analysed: no loader can be faster.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg2

from tests.benchmarks.contenders.result import tell


def main() -> None:
    """Copy each file into a new table with the columns of table ``like``, so many at once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("like")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--at-once", type=int, default=1)
    options = parser.parse_args()
    tables = [f"bench_limit_{place}" for place in range(len(options.files))]
    drop = f"drop table if exists {', '.join(tables)}"
    _execute(drop)
    _execute("checkpoint")
    started = time.perf_counter()
    with ThreadPoolExecutor(options.at_once) as pool:
        rows = sum(pool.map(_copy, options.files, tables, [options.like] * len(tables)))
    seconds = time.perf_counter() - started
    _execute(drop)
    tell(seconds=seconds, rows=rows)


def _copy(file: Path, table: str, like: str) -> int:
    return _execute(f"create table {table} (like {like}); copy {table} from '{file}' with (format binary, freeze)")


def _execute(statement: str) -> int:
    connection = psycopg2.connect(os.environ["BENCH_POSTGRES_URL"])
    connection.autocommit = True  # statements in one string are one transaction; a checkpoint must be in none
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.rowcount)


if __name__ == "__main__":
    main()
