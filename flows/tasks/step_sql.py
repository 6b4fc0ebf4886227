"""Runs a step in SQL without psql, in a process of its own: ``python -m flows.tasks.step_sql FILE``.

In Postgres by the same variables as psql. A step that reads is one SELECT, whose rows become a Parquet file; one that
writes is any number of statements in one transaction.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from flows.decide.step import read_step, with_values
from flows.load.query import QueryLimits
from flows.tlc.errors import TripLoadError
from flows.tlc.urls import url_to_path


def main(file: Path) -> None:
    """Run it, and say what came of it; ends the process with a sentence if it fails."""
    sql = file.read_text(encoding="utf-8")
    try:
        if read_step(file.name, sql).writes_tables:
            _execute(sql)
        else:
            _save(_rows(sql), Path(os.environ["TLC_OUTPUT"]) / f"{file.stem}.parquet")
    except TripLoadError as error:
        sys.exit(str(error))


def _execute(sql: str) -> None:
    import psycopg2  # noqa: PLC0415 - only steps that write

    from flows.load.postgres.errors import postgres_errors  # noqa: PLC0415

    with postgres_errors(), closing(psycopg2.connect("")) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql)
        _say("".join(connection.notices) + str(cursor.statusmessage))


def _rows(sql: str) -> AbstractContextManager[pa.RecordBatchReader]:
    if os.environ["TLC_TARGET"] == "postgres":
        from flows.load.postgres.query import open_query  # noqa: PLC0415 - only if it is the target

        return open_query("postgresql://", sql)  # libpq's variables say the rest
    values = {name.removeprefix("TLC_").lower(): value for name, value in os.environ.items()}
    return _query_warehouse(os.environ["TLC_WAREHOUSE_URL"], with_values(sql, values))


def _query_warehouse(url: str, sql: str) -> AbstractContextManager[pa.RecordBatchReader]:
    from blocks.warehouse_url import duckdb_path  # noqa: PLC0415 - only if it is the target

    if (file := duckdb_path(url)) is not None:
        from flows.load.duckdb.month import DuckDbWarehouse  # noqa: PLC0415

        limits = QueryLimits(lake_folder=url_to_path(os.environ["TLC_LAKE_URL"], "file"))
        return DuckDbWarehouse(file).query(sql, limits)
    from blocks.warehouse import warehouse_block  # noqa: PLC0415 - Google's libraries take a second
    from flows.load.bigquery.month import BigQueryWarehouse  # noqa: PLC0415

    block = warehouse_block(url)
    warehouse = BigQueryWarehouse(block.bigquery_client(), block.dataset, block.location, block.maximum_bytes_billed)
    return warehouse.query(sql, QueryLimits())


def _save(rows: AbstractContextManager[pa.RecordBatchReader], file: Path) -> None:
    count, part = 0, file.with_suffix(".part")
    try:
        with rows as reader, pq.ParquetWriter(part, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
                count += batch.num_rows
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)  # readable, and not whole
    _say(f"{count:,} rows in {file.name}" if count else "It has no rows. Is the month loaded?")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
