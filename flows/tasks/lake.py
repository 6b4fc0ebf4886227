"""The tasks of the lake: what it has of a month, and the load that replaces it."""

from __future__ import annotations

from datetime import datetime

# Arrow imports pandas at its first value: 0.3 s that belong to the start of a process, not into a load.
import pandas  # noqa: F401
from prefect import task

from flows.load.lake import month as lake_month
from flows.tasks.connect import open_lake, work_dir
from flows.tasks.month_file import DownloadedMonth, FoundMonth
from flows.tasks.open_trips import open_load
from flows.tasks.policy import RETRY_TRANSIENT
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import Layout, lake_object, manifest_object
from flows.tlc.report import LoadReport
from flows.ui.days import publish_days


@task(
    name="find-in-lake",
    task_run_name="find {found.request.dataset} {found.request.month} in the lake",
    **RETRY_TRANSIENT,
)
def find_in_lake(found: FoundMonth, layouts: frozenset[Layout]) -> LoadReport | None:
    """The report of the current load if this very file is in the lake in this very way and these layouts, else None."""
    with found.context():
        return current_load(found, layouts)


@task(
    name="load-into-lake",
    task_run_name="load {month.request.dataset} {month.request.month} into the lake",
    **RETRY_TRANSIENT,
)
def load_into_lake(month: DownloadedMonth, layouts: frozenset[Layout], started_at: datetime, force: bool) -> LoadReport:
    """Conform and check the file's rows, and replace the month in the lake by them."""
    return replace_month(month, layouts, started_at, force=force)


def current_load(found: FoundMonth, layouts: frozenset[Layout]) -> LoadReport | None:
    """The report of the current load if it is of this file; None if it is not, or the file's version is not known."""
    version = found.cached_version
    return None if version is None else lake_month.current_load(open_lake(), found.request, version, layouts)


def replace_month(
    month: DownloadedMonth, layouts: frozenset[Layout], started_at: datetime, *, force: bool = False
) -> LoadReport:
    """Replace the month in the lake by the file's rows; see ``flows.load.lake.month.load_month``."""
    with open_load(month, "gcs", started_at) as opened:
        report = lake_month.load_month(
            open_lake(),
            opened.load,
            opened.trips,
            opened.rejected,
            layouts=layouts,
            work_dir=work_dir(),
            source_bytes=opened.source_bytes,
            force=force,
            on_progress=opened.on_progress,
        )
    publish_days(report, opened.trips.days.by_day)
    return report


def lake_place(request: MonthRequest) -> str:
    """Where a month is in the lake, for people."""
    lake = open_lake()
    folder = f"{lake.url}/{lake_object(request.dataset, request.month).partition('/unpartitioned/')[0]}"
    return f"`{folder}`, listed in `{lake.url_of(manifest_object(request.dataset, request.month))}`"
