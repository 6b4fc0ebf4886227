"""dlt with Arrow batches into Postgres: ``parquet`` (loaded by ADBC), or ``csv`` (loaded by COPY).

Runs in dlt's own environment, so it imports nothing of this project. The file is on disk: it pays for no download.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import tempfile
import time

import dlt
import psycopg2
import pyarrow.parquet as pq

URL = os.environ["BENCH_POSTGRES_URL"]
# dlt insists on a host; libpq lets the socket's folder in the query override it.
URL_WITH_HOST = URL.replace("@/", "@localhost/")


@dlt.resource(name="yellow_trips", write_disposition="replace")
def trips(path: str):
    """The file's batches, as dlt's documentation has it for Arrow."""
    yield from pq.ParquetFile(path).iter_batches(batch_size=1 << 17)


def main(path: str, file_format: str, parts: str) -> None:
    """Load the file; with ``parts`` > 1 as that many files side by side."""
    query("drop schema if exists bench_dlt cascade", "checkpoint")
    rows_of_part = -(-pq.ParquetFile(path).metadata.num_rows // int(parts))
    if int(parts) > 1:
        os.environ["DATA_WRITER__FILE_MAX_ITEMS"] = str(rows_of_part)
        os.environ["DATA_WRITER__BUFFER_MAX_ITEMS"] = "100000"
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(URL_WITH_HOST),
            dataset_name="bench_dlt",
        )
        started = time.perf_counter()
        pipeline.run(trips(path), loader_file_format=file_format)
        seconds = time.perf_counter() - started
        steps = {type(step.step_info).__name__: _seconds(step) for step in pipeline.last_trace.steps if step.step_info}
    ((rows,),) = query("select count(*) from bench_dlt.yellow_trips")
    query("drop schema bench_dlt cascade")
    versions = {name: importlib.metadata.version(name) for name in ("dlt", "pyarrow", "adbc-driver-postgresql")}
    print("RESULT " + json.dumps({"seconds": seconds, "rows": rows, "steps": steps, "versions": versions}))


def _seconds(step) -> float:
    return round((step.finished_at - step.started_at).total_seconds(), 2)


def query(*statements: str) -> list[tuple]:
    """Run each in autocommit; the rows of the last one."""
    connection = psycopg2.connect(URL)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
    connection.close()
    return rows


if __name__ == "__main__":
    main(*sys.argv[1:])
