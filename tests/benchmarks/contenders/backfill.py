"""Backfills and plans, each in a process of its own; and the same months without Prefect, for what it costs.

Imports come before the clock, as in a worker's process that has begun.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

import httpx
import psycopg2
from prefect.settings import get_current_settings

from blocks.register import load_block
from blocks.settings import Settings
from blocks.trip_data_source import TripDataSource
from flows import backfill
from flows.extract.download import download, find_file
from flows.extract.read.trip_file import open_trip_file
from flows.load.month_load import MonthLoad
from flows.load.postgres import month as postgres
from flows.load.rejected_spill import rejected_spill
from flows.tasks.plan import plan_months
from flows.tlc.dataset import Dataset, Source
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import SCHEMA, month_path, probe_path
from flows.tlc.month import Month, months_between
from flows.tlc.schema import schema_of
from flows.transform.conform import plan_conform
from flows.transform.stream import TripStream
from tests.benchmarks.contenders.result import peak_memory_bytes, tell


def main() -> None:
    """One measurement: ``run``, ``bare`` or ``plan``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["run", "bare", "plan"])
    parser.add_argument("--span", nargs=3, action="append", metavar=("DATASET", "FIRST", "LAST"), required=True)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--run-on", choices=["here", "work_pool"], default="here")
    parser.add_argument("--targets", nargs="+", default=["postgres"])
    options = parser.parse_args()
    spans = [(Dataset(dataset), Month.parse(first), Month.parse(last)) for dataset, first, last in options.span]
    if options.what != "plan":
        _forget()
    measured = {"run": _run, "bare": _bare, "plan": _plan}[options.what](spans, options)
    tell(**measured, peak_memory_bytes=peak_memory_bytes())


def _run(spans: list[tuple[Dataset, Month, Month]], options: argparse.Namespace) -> dict[str, Any]:
    ((dataset, first, last),) = spans
    requests = _counted_requests()
    started = time.perf_counter()
    report = backfill(
        dataset=dataset,
        start_month=str(first),
        end_month=str(last),
        targets=options.targets,
        max_parallel=options.at_once,
        run_on=options.run_on,
    )
    seconds = time.perf_counter() - started
    assert all(leg.status == "loaded" for month in report.months for leg in month.legs), report
    return {"seconds": seconds, "months": len(report.months), "requests": len(requests)}


def _counted_requests() -> list[str]:
    """The list to which every request of this process to Prefect's server is added from now on, but for events."""
    api, requests = str(get_current_settings().api.url), list[str]()
    send, send_async = httpx.Client.send, httpx.AsyncClient.send

    def note(request: httpx.Request) -> None:
        if str(request.url).startswith(api):
            requests.append(f"{request.method} {request.url.path}")

    def counting(client: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        note(request)
        return send(client, request, **options)

    async def counting_async(client: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
        note(request)
        return await send_async(client, request, **options)

    # For the measurement.
    httpx.Client.send = counting  # type: ignore[method-assign]
    httpx.AsyncClient.send = counting_async  # type: ignore[method-assign]
    return requests


def _bare(spans: list[tuple[Dataset, Month, Month]], _options: argparse.Namespace) -> dict[str, Any]:
    """The data's work into Postgres alone, month after month: no flow, no task, no artifact."""
    ((dataset, first, last),) = spans
    months = list(months_between(first, last))
    started = time.perf_counter()
    for month in months:
        _load_bare(MonthRequest(dataset, month))
    return {"seconds": time.perf_counter() - started, "months": len(months)}


def _load_bare(request: MonthRequest) -> None:
    base = Settings().source_url
    url = base + month_path(request.dataset, request.month, Source.tlc)
    with httpx.Client() as client:
        file = find_file(client, url, base + probe_path(request.dataset, Source.tlc))
        assert file is not None
        downloaded = download(client, file, Settings().cache_dir, keep_bytes=Settings().cache_bytes)
    connection = psycopg2.connect(_url())
    with open_trip_file(downloaded.path) as trip_file, rejected_spill() as rejected:
        conformer = plan_conform(schema_of(request.dataset), request.month, trip_file.column_names)
        load = MonthLoad(request, "postgres", file.where, downloaded.etag)
        postgres.load_month(connection, load, TripStream(trip_file, conformer, rejected.write), rejected)
    connection.close()


def _plan(spans: list[tuple[Dataset, Month, Month]], options: argparse.Namespace) -> dict[str, Any]:
    """Planning alone, as ``python -m flows plan`` does it; the blocks are read before the clock."""
    load_block(TripDataSource, "tlc-source")
    started = time.perf_counter()
    plans = [
        plan
        for dataset, first, last in spans
        for plan in plan_months(
            [MonthRequest(dataset, month) for month in months_between(first, last)], options.targets
        )
    ]
    return {"seconds": time.perf_counter() - started, "months": len(plans)}


def _forget() -> None:
    """An empty cache, lake and warehouse, and no table: every run has everything to do."""
    shutil.rmtree(Settings().cache_dir, ignore_errors=True)
    shutil.rmtree(Path(Settings().local_dir) / "lake", ignore_errors=True)
    for file in Path(Settings().local_dir).glob("warehouse.duckdb*"):
        file.unlink()
    connection = psycopg2.connect(_url())
    with connection, connection.cursor() as cursor:
        cursor.execute(f"drop schema if exists {SCHEMA} cascade")
    connection.close()


def _url() -> str:
    url = Settings().postgres_url
    assert url is not None
    return url.get_secret_value()


if __name__ == "__main__":
    main()
