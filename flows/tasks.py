"""The tasks: policy (retries), blocks, logs, artifacts. The work stands in extract, transform and load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from prefect_sqlalchemy import SqlAlchemyConnector

from blocks.names import POSTGRES
from blocks.postgres import postgres_connection
from blocks.register import load_block
from blocks.settings import Settings
from flows.announce import announce, materializing
from flows.artifacts import ProgressBar, publish_report
from flows.artifacts_days import publish_days
from flows.extract.download import Downloaded, SourceFile, find_file, known_identity
from flows.extract.request import plain_url
from flows.extract.trip_file import open_trip_file
from flows.extract.zones import read_zones
from flows.load import postgres
from flows.load.month_load import MonthLoad
from flows.load.postgres_errors import postgres_errors
from flows.load.postgres_zones import add_zones, has_zones
from flows.load.rejected_spill import rejected_spill
from flows.sources import download_to_cache, http_client, source_block
from flows.task_policy import OUTSIDE, about_month, discarding_damaged
from flows.tlc.dataset import Source
from flows.tlc.errors import SourceError, TargetError
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import ZONES_PATH, known_path, month_path
from flows.tlc.report import LoadReport, Target
from flows.tlc.schema import schema_of
from flows.transform.conform import plan_conform
from flows.transform.stream import TripStream


@task(name="find-month", task_run_name="find {request.dataset} {request.month}", **OUTSIDE)
def find_month(request: MonthRequest) -> SourceFile | None:
    """Ask the source for the month's file and its version; None where it is not published."""
    source = source_block(request.source)
    url = source.url(month_path(request.dataset, request.month, request.source))
    known_url = source.url(known_path(request.dataset, request.source))
    with about_month(request, url), http_client() as client:
        file = find_file(client, url, known_url)
    version = f"there, version {file.etag or file.last_modified or 'unknown'}" if file else "not published"
    get_run_logger().info("%s is %s", plain_url(url), version)
    return file


@task(name="find-in-postgres", task_run_name="find {request.dataset} {request.month} in Postgres", **OUTSIDE)
def find_in_postgres(request: MonthRequest, file: SourceFile) -> LoadReport | None:
    """The report of the load that stands, if this very file is loaded in this very way."""
    identity = known_identity(file, Settings().cache_dir)
    if identity is None:
        return None
    with about_month(request, file.url), postgres_connected() as connection:
        return postgres.find_load(connection, request, identity)


@task(name="download-month", task_run_name="download {request.dataset} {request.month}", **OUTSIDE)
def download_month(request: MonthRequest, file: SourceFile) -> Downloaded:
    """Bring the file into the cache, whole and verified, from where the last try stopped."""
    bar = ProgressBar(f"Downloading {request.dataset} {request.month}")

    def show(done: int, total: int | None) -> None:
        bar.update(done / total if total else 0.0)

    with about_month(request, file.url), http_client() as client:
        return download_to_cache(client, file, show)


@task(name="load-into-postgres", task_run_name="load {request.dataset} {request.month} into Postgres", **OUTSIDE)
def load_into_postgres(
    request: MonthRequest, file: SourceFile, downloaded: Downloaded, started_at: datetime, force: bool
) -> LoadReport:
    """Conform and check the file's rows, and replace the month in Postgres by them."""
    load = MonthLoad(
        request=request,
        target="postgres",
        source_url=file.where,
        source_etag=downloaded.etag,
        bytes_read=downloaded.bytes_read,
        flow_run_id=flow_run.get_id(),
        started_at=started_at,
        seen_at=downloaded.seen_at,
    )
    bar = ProgressBar(f"Loading {request.dataset} {request.month} into Postgres")
    with (
        about_month(request, file.url),
        discarding_damaged(downloaded),
        open_trip_file(downloaded.path) as trip_file,
        rejected_spill() as rejected,
        postgres_connected() as connection,
    ):
        conformer = plan_conform(
            schema_of(request.dataset), request.month, trip_file.column_names, new_columns=request.new_columns
        )
        trips = TripStream(trip_file, conformer, rejected.write, request.drop_rules)
        report = postgres.load_month(connection, load, trips, rejected, force=force, on_progress=bar.update)
        _fill_zones(connection, request.source)
    bar.finish()
    publish_days(report, trips.days.by_day)
    return report


@task(
    name="publish-report",
    task_run_name="publish {report.dataset} {report.month} → {report.target}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def _publish(report: LoadReport, place: str, key: str | None) -> None:
    get_run_logger().info(
        "%s %s → %s %s: %s read, %s loaded, %s rejected, %s flagged, %.1f s",
        report.dataset,
        report.month,
        report.target,
        report.status,
        *(f"{rows:,}" for rows in (report.rows_read, report.rows_loaded, report.rows_rejected, report.rows_flagged)),
        report.seconds,
    )
    publish_report(report, place, key)
    if _is_news(report, key):
        announce(report)


def publish(report: LoadReport, place: str, key: str | None = None) -> None:
    """Say in the log and in the UI what the load did and where the rows are, and announce what is new.

    ``key`` names the artifacts of what is no month of a dataset: the homework.
    """
    task_of_it = materializing(_publish, report) if _is_news(report, key) else _publish
    task_of_it(report, place, key)


def _is_news(report: LoadReport, key: str | None) -> bool:
    return report.status == "loaded" and key is None


def _fill_zones(connection: Any, source: Source) -> None:
    """Fill ``tlc.zones`` where it is empty. The mirror has no zones; trips are loaded without them too."""
    try:
        if source is Source.mirror or has_zones(connection):
            return
        url = source_block(source).url(ZONES_PATH)
        with http_client() as client:
            file = find_file(client, url, url)
            zones = read_zones(download_to_cache(client, file).path) if file else []
        add_zones(connection, zones)
    except (SourceError, TargetError) as error:
        get_run_logger().warning("The trips are loaded, the zones are not: %s", error)


def finished_report(report: LoadReport, started_at: datetime) -> LoadReport:
    """The report with the seconds of the whole flow so far."""
    return report.model_copy(update={"seconds": round((datetime.now(UTC) - started_at).total_seconds(), 3)})


def not_published_report(request: MonthRequest, target: Target) -> LoadReport:
    """What a load flow returns for a month that the source has not got yet."""
    url = source_block(request.source).url(month_path(request.dataset, request.month, request.source))
    return LoadReport(
        dataset=str(request.dataset),
        month=str(request.month),
        target=target,
        source_url=plain_url(url),
        status="not_published",
    )


@contextmanager
def postgres_connected() -> Iterator[Any]:
    """A connection to the Postgres of the block ``tlc-postgres``; what goes wrong with it is a TargetError."""
    with postgres_errors(), postgres_connection(load_block(SqlAlchemyConnector, POSTGRES)) as connection:
        yield connection
