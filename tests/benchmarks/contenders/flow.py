"""This project's flow, from the call to its return: Prefect's part, the download and the checks included.

Imports come before the clock, as in a worker's process that has begun; the cache is empty, the month is not loaded.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from typing import Any

import psycopg2
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.sorting import TaskRunSort

from flows.api_to_postgres import api_to_postgres
from flows.tlc.report import LoadReport
from tests.benchmarks.contenders.result import cpu_seconds, peak_memory_bytes, tell


def main() -> None:
    """Run the flow once: ``--forced`` into an empty month and an empty cache, else as it comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("month")
    parser.add_argument("--forced", action="store_true")
    options = parser.parse_args()
    if options.forced:
        shutil.rmtree(os.environ["TLC_CACHE_DIR"], ignore_errors=True)
        _empty_month(options.month)
    cpu_before, started = cpu_seconds(), time.perf_counter()
    report = api_to_postgres(dataset="yellow", month=options.month, force=options.forced)
    seconds = time.perf_counter() - started
    tell(
        seconds=seconds,
        cpu_seconds=cpu_seconds() - cpu_before,
        peak_memory_bytes=peak_memory_bytes(),
        tasks=_task_seconds(report),
        **report.model_dump(include={"status", "rows_read", "rows_loaded", "rows_rejected", "bytes_read"}),
    )


def _empty_month(month: str) -> None:
    connection = psycopg2.connect(os.environ["BENCH_POSTGRES_URL"])
    with connection, connection.cursor() as cursor:
        cursor.execute(f"drop table if exists tlc.yellow_trips_{month.replace('-', '_')}")
    with connection.cursor() as cursor:
        cursor.execute("checkpoint")
    connection.commit()
    connection.close()


def _task_seconds(report: LoadReport) -> dict[str, Any]:
    """How long each task of the run took, as Prefect recorded it. The ledger knows the run; a no-op has no new row."""
    connection = psycopg2.connect(os.environ["BENCH_POSTGRES_URL"])
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "select flow_run_id from tlc.loads where month = %s order by load_id desc limit 1", [report.month]
        )
        (flow_run_id,) = cursor.fetchone() or (None,)
    connection.close()
    if flow_run_id is None or report.status != "loaded":
        return {}
    time.sleep(1.5)  # task runs are recorded from events, a moment later
    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id])),
            sort=TaskRunSort.END_TIME_DESC,
            limit=50,
        )
    return {run.name: round(run.total_run_time.total_seconds(), 3) for run in runs}


if __name__ == "__main__":
    main()
