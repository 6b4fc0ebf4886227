"""The homework's tasks: several months' files as one load, and each error about the month that is at fault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from prefect import task
from prefect.runtime import flow_run

from flows.extract.download.download import Downloaded, SourceFile
from flows.load.lake.green_taxi import write_green_taxi
from flows.load.postgres.green_taxi import replace_green_taxi
from flows.tasks.connect import open_lake, postgres_connected
from flows.tasks.policy import RETRY_TRANSIENT, discarding_damaged, with_month_context
from flows.tasks.sources import opened, work_dir
from flows.tlc.errors import SourceChanged, TripLoadError
from flows.tlc.identity import MonthRequest
from flows.tlc.report import LoadReport
from flows.transform.conform import plan_file
from flows.transform.homework import HomeworkStream
from flows.transform.stream import TripStream
from flows.ui.days import publish_days
from flows.ui.report import ProgressBar

_Months = Sequence[tuple[MonthRequest, SourceFile, Downloaded]]


@task(name="load-green-taxi", task_run_name="load mage.green_taxi", **RETRY_TRANSIENT)
def load_green_taxi(months: _Months, key: str) -> LoadReport:
    """Clean the months as the homework says, and replace ``mage.green_taxi`` by them; ``key`` names the artifacts."""
    bar = ProgressBar("Loading mage.green_taxi")
    with _homework(months) as (trips, versions), postgres_connected() as connection:
        replace_green_taxi(connection, trips, on_piece=lambda: bar.update(trips.fraction_read()))
    bar.finish()
    first, last = months[0][0], months[-1][0]
    report = LoadReport(
        dataset=str(first.dataset),
        month=str(first.month) if first is last else f"{first.month}..{last.month}",
        target="postgres",
        source_url=" ".join(file.where for _, file, _ in months),
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
def write_green_taxi_to_lake(months: _Months, report: LoadReport) -> str:
    """Clean the months as the homework says, and replace the lake's ``green_taxi`` by them; where it is.

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
            conform_version="-".join(request.conform_version for request, *_ in months),
            work_dir=work_dir(),
            source_bytes=sum(version.length for version in versions),
            flow_run_id=flow_run.get_id(),
        )


def _etags(versions: Sequence[Downloaded]) -> str:
    return " ".join(version.etag for version in versions)


@contextmanager
def _homework(months: _Months) -> Iterator[tuple[HomeworkStream, list[Downloaded]]]:
    """The rows of the months' files, cleaned, and which versions these are.

    What cannot be loaded at all is counted: it has no table for it.
    """
    with ExitStack() as files, _about_one_of(months):
        streams, versions = [], []
        for request, file, downloaded in months:
            with with_month_context(request, file.url):
                trip_file, version = files.enter_context(opened(file, downloaded))
                versions.append(version)
                conformer = plan_file(trip_file, request)
            streams.append(TripStream(trip_file, conformer, on_rejected=lambda _batch: None))
        yield HomeworkStream(streams), versions


@contextmanager
def _about_one_of(months: _Months) -> Iterator[None]:
    """Have an error that names one of the months say its file, and forget that one file where it is damaged."""
    try:
        yield
    except TripLoadError as error:
        for request, file, downloaded in months:
            if error.month == str(request.month):
                with with_month_context(request, file.url), discarding_damaged(downloaded):
                    raise
        raise
