"""The lake's tasks: policy (retries), blocks, logs. The work stands in ``load``."""

from __future__ import annotations

from datetime import datetime

# Arrow imports pandas at its first value: 0.3 s that belong to the start of a process, not into a load.
import pandas  # noqa: F401
from prefect import task
from prefect.runtime import flow_run

from blocks.settings import Settings
from flows.extract.download.download import Downloaded, SourceFile, cached_version
from flows.load.lake import month as lake_month
from flows.load.month_load import MonthLoad
from flows.load.rejected_spill import rejected_spill
from flows.tasks.connect import open_lake
from flows.tasks.policy import RETRY_TRANSIENT, discarding_damaged, with_month_context
from flows.tasks.sources import opened, work_dir
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import Layout, lake_object, manifest_object
from flows.tlc.report import LoadReport
from flows.transform.conform import plan_file
from flows.transform.stream import TripStream
from flows.ui.days import publish_days
from flows.ui.report import ProgressBar


@task(name="find-in-lake", task_run_name="find {request.dataset} {request.month} in the lake", **RETRY_TRANSIENT)
def find_in_lake(request: MonthRequest, file: SourceFile, layouts: frozenset[Layout]) -> LoadReport | None:
    """The report of the load that stands, if this very file is in the lake in this very way and in these layouts."""
    identity = cached_version(file, Settings().cache_dir)
    if identity is None:
        return None
    with with_month_context(request, file.url):
        return lake_month.current_load(open_lake(), request, identity, layouts)


@task(name="load-into-lake", task_run_name="load {request.dataset} {request.month} into the lake", **RETRY_TRANSIENT)
def load_into_lake(
    request: MonthRequest,
    file: SourceFile,
    downloaded: Downloaded,
    layouts: frozenset[Layout],
    started_at: datetime,
    force: bool,
) -> LoadReport:
    """Conform and check the file's rows, and replace the month in the lake by them."""
    bar = ProgressBar(f"Loading {request.dataset} {request.month} into the lake")
    with (
        with_month_context(request, file.url),
        discarding_damaged(downloaded),
        opened(file, downloaded) as (trip_file, version),
        rejected_spill(work_dir()) as rejected,
    ):
        load = MonthLoad(
            request=request,
            target="gcs",
            source_url=file.where,
            source_etag=version.etag,
            bytes_read=version.bytes_read,
            flow_run_id=flow_run.get_id(),
            started_at=started_at,
            seen_at=version.seen_at,
        )
        conformer = plan_file(trip_file, request)
        trips = TripStream(trip_file, conformer, rejected.write, request.drop_rules)
        report = lake_month.load_month(
            open_lake(),
            load,
            trips,
            rejected,
            layouts=layouts,
            work_dir=work_dir(),
            source_bytes=version.length,
            force=force,
            on_progress=bar.update,
        )
    bar.finish()
    publish_days(report, trips.days.by_day)
    return report


def lake_place(request: MonthRequest) -> str:
    """Where a month is in the lake, for people."""
    lake = open_lake()
    folder = f"{lake.url}/{lake_object(request.dataset, request.month).partition('/unpartitioned/')[0]}"
    return f"`{folder}`, listed in `{lake.url_of(manifest_object(request.dataset, request.month))}`"
