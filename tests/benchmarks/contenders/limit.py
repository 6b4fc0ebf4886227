"""The limit: the server reads a ready binary file itself, with COPY FREEZE into a table made by the same transaction.

Nothing is read over a connection, converted, checked, indexed or analysed: no loader can be faster.
"""

from __future__ import annotations

import os
import sys
import time

import psycopg2

from tests.benchmarks.contenders.result import tell


def main(binary_file: str, like: str) -> None:
    """Copy ``binary_file`` into a new table with the columns of table ``like``."""
    connection = psycopg2.connect(os.environ["BENCH_POSTGRES_URL"])
    with connection, connection.cursor() as cursor:
        cursor.execute("drop table if exists bench_limit")
    with connection.cursor() as cursor:
        cursor.execute("checkpoint")
    connection.commit()
    started = time.perf_counter()
    with connection, connection.cursor() as cursor:
        cursor.execute(f"create table bench_limit (like {like})")
        cursor.execute("copy bench_limit from %s with (format binary, freeze)", (binary_file,))
        rows = cursor.rowcount
    seconds = time.perf_counter() - started
    with connection, connection.cursor() as cursor:
        cursor.execute("drop table bench_limit")
    tell(seconds=seconds, rows=rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
