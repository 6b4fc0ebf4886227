"""The homework's tasks: several months' files as one load, whose errors name the month at fault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from prefect import task
from prefect.runtime import flow_run

from flows.extract.download.download import Downloaded
from flows.load.lake.green_taxi import write_green_taxi
from flows.load.postgres.green_taxi import replace_green_taxi
from flows.tasks.connect import open_lake, postgres_connected, work_dir
from flows.tasks.month_file import DownloadedMonth
from flows.tasks.open_trips import open_trips
from flows.tasks.policy import RETRY_TRANSIENT
from flows.tlc.errors import SourceChanged, TripLoadError
from flows.tlc.report import LoadReport
from flows.transform.homework import HomeworkStream
from flows.ui.cancellation import stoppable
from flows.ui.days import publish_days
from flows.ui.report import ProgressBar


@task(name="load-green-taxi", task_run_name="load mage.green_taxi", **RETRY_TRANSIENT)
def load_green_taxi(months: Sequence[DownloadedMonth], key: str) -> LoadReport:
    """Clean the months as the homework says, and replace ``mage.green_taxi`` by them; ``key`` names the artifacts."""
    bar = ProgressBar("Loading mage.green_taxi")
    with _homework(months) as (trips, versions), postgres_connected() as connection:
        on_piece = stoppable(lambda: bar.update(trips.fraction_read()))
        replace_green_taxi(connection, trips, on_piece=on_piece)
    bar.finish()
    first, last = months[0].request, months[-1].request
    report = LoadReport(
        dataset=str(first.dataset),
        month=str(first.month) if first is last else f"{first.month}..{last.month}",
        target="postgres",
        source_url=" ".join(month.file.where for month in months),
        source_etag=_etags(versions),
        rows_read=trips.counts.rows_read,
        rows_loaded=trips.counts.rows_loaded,
        rows_rejected=trips.counts.rows_rejected,
        rejected_by_rule=dict(trips.counts.rejected),
        bytes_read=sum(version.bytes_read for version in versions),
        source=first.source,
    )
    publish_days(report, trips.days.by_day, key=key)
    return report


@task(name="write-green-taxi", task_run_name="write green_taxi to the lake", **RETRY_TRANSIENT)
def write_green_taxi_to_lake(months: Sequence[DownloadedMonth], report: LoadReport) -> str:
    """Clean the months as the homework says, and replace the lake's ``green_taxi`` by them; returns its URL.

    Raises SourceChanged if the files are not those of ``report`` any more.
    """
    with _homework(months) as (trips, versions):
        if _etags(versions) != report.source_etag:
            raise SourceChanged(
                "a month's file was published anew after mage.green_taxi was loaded from it; green_taxi in the lake is "
                "as it was. Run green_taxi_etl again: it loads the new version into both."
            )
        return write_green_taxi(
            open_lake(),
            trips,
            report.model_copy(update={"target": "gcs"}),
            conform_version="-".join(month.request.conform_version for month in months),
            work_dir=work_dir(),
            source_bytes=sum(version.length for version in versions),
            flow_run_id=flow_run.get_id(),
        )


def _etags(versions: Sequence[Downloaded]) -> str:
    return " ".join(version.etag for version in versions)


@contextmanager
def _homework(months: Sequence[DownloadedMonth]) -> Iterator[tuple[HomeworkStream, list[Downloaded]]]:
    """The rows of the months' files, cleaned, and which versions these are.

    Rows that cannot be loaded at all are only counted: the homework has no table for them.
    """
    with ExitStack() as files, _context_of_one(months):
        streams, versions = [], []
        for month in months:
            with month.context():
                trips, version = files.enter_context(open_trips(month))
            streams.append(trips)
            versions.append(version)
        yield HomeworkStream(streams), versions


@contextmanager
def _context_of_one(months: Sequence[DownloadedMonth]) -> Iterator[None]:
    """An error raised within that names one of the months gets the context of that month."""
    try:
        yield
    except TripLoadError as error:
        for month in months:
            if error.month == str(month.request.month):
                with month.context():
                    raise
        raise
