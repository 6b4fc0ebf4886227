"""The tasks of Postgres' leg: retries, blocks, logs, artifacts. The work stands in extract, transform and load."""

from __future__ import annotations

from datetime import datetime
from typing import Any

# Arrow imports pandas at its first value, the block its SQLAlchemy: half a second that belongs to the start of a
# process, not into a load.
import pandas  # noqa: F401
import prefect_sqlalchemy  # noqa: F401
from prefect import task
from prefect.runtime import flow_run

from blocks.settings import Settings
from flows.extract.download.download import Downloaded, SourceFile, cached_version, find_file
from flows.extract.read.zones import read_zones
from flows.load.month_load import MonthLoad
from flows.load.postgres import month as postgres
from flows.load.postgres.zones import add_zones, has_zones
from flows.load.rejected_spill import rejected_spill
from flows.tasks.connect import postgres_connected
from flows.tasks.policy import RETRY_TRANSIENT, discarding_damaged, with_month_context
from flows.tasks.sources import download_to_cache, http_client, opened, source_block, work_dir
from flows.tlc.dataset import Source
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import ZONES_PATH
from flows.tlc.report import LoadReport
from flows.transform.conform import plan_file
from flows.transform.stream import TripStream
from flows.ui.days import publish_days
from flows.ui.report import ProgressBar, best_effort


@task(name="find-in-postgres", task_run_name="find {request.dataset} {request.month} in Postgres", **RETRY_TRANSIENT)
def find_in_postgres(request: MonthRequest, file: SourceFile) -> LoadReport | None:
    """The report of the load that stands, if this very file is loaded in this very way."""
    identity = cached_version(file, Settings().cache_dir)
    if identity is None:
        return None
    with with_month_context(request, file.url), postgres_connected() as connection:
        return postgres.current_load(connection, request, identity)


@task(
    name="load-into-postgres", task_run_name="load {request.dataset} {request.month} into Postgres", **RETRY_TRANSIENT
)
def load_into_postgres(
    request: MonthRequest, file: SourceFile, downloaded: Downloaded, started_at: datetime, force: bool
) -> LoadReport:
    """Conform and check the file's rows, and replace the month in Postgres by them."""
    bar = ProgressBar(f"Loading {request.dataset} {request.month} into Postgres")
    with (
        with_month_context(request, file.url),
        discarding_damaged(downloaded),
        opened(file, downloaded) as (trip_file, version),
        rejected_spill(work_dir()) as rejected,
        postgres_connected() as connection,
    ):
        load = MonthLoad(
            request=request,
            target="postgres",
            source_url=file.where,
            source_etag=version.etag,
            bytes_read=version.bytes_read,
            flow_run_id=flow_run.get_id(),
            started_at=started_at,
            seen_at=version.seen_at,
        )
        conformer = plan_file(trip_file, request)
        trips = TripStream(trip_file, conformer, rejected.write, request.drop_rules)
        report = postgres.load_month(connection, load, trips, rejected, force=force, on_progress=bar.update)
        _fill_zones(connection, request.source)
    bar.finish()
    publish_days(report, trips.days.by_day)
    return report


def _fill_zones(connection: Any, source: Source) -> None:
    """Fill ``tlc.zones`` where it is empty. The mirror has no zones; trips are loaded without them too."""
    with best_effort("The trips are loaded, the zones are not"):
        if source is Source.mirror or has_zones(connection):
            return
        url = source_block(source).url(ZONES_PATH)
        with http_client() as client:
            file = find_file(client, url, url)
            zones = read_zones(download_to_cache(client, file).path) if file else []
        add_zones(connection, zones)
