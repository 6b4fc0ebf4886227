"""The two usual ways with pandas, on the first rows of the month: ``to_sql``, and CSV with COPY as Mage does.

The frame is made before the clock starts: reading the file costs them nothing here.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable

import pandas as pd
import psycopg2
import pyarrow.parquet as pq
import sqlalchemy

from tests.benchmarks.contenders.result import peak_memory_bytes, tell


def load_by_to_sql(frame: pd.DataFrame) -> None:
    """With pandas' own defaults: one INSERT by executemany."""
    url = os.environ["BENCH_POSTGRES_URL"]
    frame.to_sql("bench_frame", sqlalchemy.create_engine(url), index=False, if_exists="replace")


def load_by_csv(frame: pd.DataFrame) -> None:
    """As Mage's Postgres exporter: the whole frame as CSV in memory, then one COPY."""
    columns = pd.io.sql.get_schema(frame.head(0), "bench_frame", con=sqlalchemy.create_engine(_url()))
    connection = psycopg2.connect(_url())
    with connection, connection.cursor() as cursor:
        cursor.execute(columns)
        buffer = io.StringIO()
        frame.to_csv(buffer, index=False, header=False)
        buffer.seek(0)
        cursor.copy_expert("copy bench_frame from stdin with (format csv)", buffer)


WAYS: dict[str, Callable[[pd.DataFrame], None]] = {"to_sql": load_by_to_sql, "csv": load_by_csv}


def main(way: str, parquet: str, rows: str) -> None:
    """Time ``way`` on the first ``rows`` of ``parquet``."""
    batches = pq.ParquetFile(parquet).iter_batches(batch_size=int(rows))
    frame = next(batches).to_pandas()
    _drop_table()
    started = time.perf_counter()
    WAYS[way](frame)
    seconds = time.perf_counter() - started
    _drop_table()
    tell(seconds=seconds, rows=len(frame), peak_memory_bytes=peak_memory_bytes())


def _drop_table() -> None:
    connection = psycopg2.connect(_url())
    with connection, connection.cursor() as cursor:
        cursor.execute("drop table if exists bench_frame")
    with connection.cursor() as cursor:
        cursor.execute("checkpoint")
    connection.commit()
    connection.close()


def _url() -> str:
    return os.environ["BENCH_POSTGRES_URL"]


if __name__ == "__main__":
    main(*sys.argv[1:])
