"""The tasks of Postgres: what it has of a month, and the load that replaces it."""

from __future__ import annotations

from datetime import datetime

# Arrow imports pandas at its first value, the block its SQLAlchemy: half a second that belongs to the start of a
# process, not into a load.
import pandas  # noqa: F401
import prefect_sqlalchemy  # noqa: F401
from prefect import task

from flows.load.postgres import month as postgres
from flows.tasks.connect import postgres_connected
from flows.tasks.month_file import DownloadedMonth, FoundMonth
from flows.tasks.open_trips import open_load
from flows.tasks.policy import RETRY_TRANSIENT
from flows.tlc.report import LoadReport
from flows.ui.days import publish_days


@task(
    name="find-in-postgres",
    task_run_name="find {found.request.dataset} {found.request.month} in Postgres",
    **RETRY_TRANSIENT,
)
def find_in_postgres(found: FoundMonth) -> LoadReport | None:
    """The report of the current load if this very file is already loaded in this very way, else None."""
    with found.context():
        return current_load(found)


@task(
    name="load-into-postgres",
    task_run_name="load {month.request.dataset} {month.request.month} into Postgres",
    **RETRY_TRANSIENT,
)
def load_into_postgres(month: DownloadedMonth, started_at: datetime, force: bool) -> LoadReport:
    """Conform and check the file's rows, and replace the month in Postgres by them."""
    return replace_month(month, started_at, force=force)


def current_load(found: FoundMonth) -> LoadReport | None:
    """The report of the current load if it is of this file; None if it is not, or the file's version is not known."""
    version = found.cached_version
    if version is None:
        return None
    with postgres_connected() as connection:
        return postgres.current_load(connection, found.request, version)


def replace_month(month: DownloadedMonth, started_at: datetime, *, force: bool = False) -> LoadReport:
    """Replace the month in Postgres by the file's rows; see ``flows.load.postgres.month.load_month``."""
    with open_load(month, "postgres", started_at) as opened, postgres_connected() as connection:
        report = postgres.load_month(
            connection, opened.load, opened.trips, opened.rejected, force=force, on_progress=opened.on_progress
        )
    publish_days(report, opened.trips.days.by_day)
    return report
