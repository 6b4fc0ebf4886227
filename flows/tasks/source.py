"""The tasks that every leg has: find the month, download it, say what was loaded. The work stands elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from flows.extract.download.download import Downloaded, SourceFile, find_file
from flows.extract.download.request import plain_url
from flows.tasks.policy import RETRY_TRANSIENT, with_month_context
from flows.tasks.sources import download_to_cache, http_client, source_block
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import month_path, probe_path
from flows.tlc.report import LoadReport, Target
from flows.ui.events import announce, materializing
from flows.ui.report import ProgressBar, best_effort, publish_report


@task(name="find-month", task_run_name="find {request.dataset} {request.month}", **RETRY_TRANSIENT)
def find_month(request: MonthRequest) -> SourceFile | None:
    """Ask the source for the month's file and its version; None where it is not published."""
    with with_month_context(request):
        source = source_block(request.source)
    url = source.url(month_path(request.dataset, request.month, request.source))
    probe_url = source.url(probe_path(request.dataset, request.source))
    with with_month_context(request, url), http_client() as client:
        file = find_file(client, url, probe_url)
    version = f"there, version {file.etag or file.last_modified or 'unknown'}" if file else "not published"
    get_run_logger().info("%s is %s", plain_url(url), version)
    return file


@task(name="download-month", task_run_name="download {request.dataset} {request.month}", **RETRY_TRANSIENT)
def download_month(request: MonthRequest, file: SourceFile) -> Downloaded:
    """Bring the file into the cache, whole and verified, from where the last try stopped."""
    bar = ProgressBar(f"Downloading {request.dataset} {request.month}")

    def show(done: int, total: int | None) -> None:
        bar.update(done / total if total else 0.0)

    with with_month_context(request, file.url), http_client() as client:
        return download_to_cache(client, file, show)


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
    if report.warning:
        get_run_logger().warning("%s %s → %s: %s", report.dataset, report.month, report.target, report.warning)
    with best_effort("The load is done, its artifacts are not there"):
        publish_report(report, place, key)
    if _is_news(report, key):
        announce(report)


def publish(report: LoadReport, place: str, key: str | None = None) -> None:
    """Say in the log and in the UI what the load did and where the rows are, and announce what is new, if possible.

    ``key`` names the artifacts of what is no month of a dataset: the homework.
    """
    with best_effort("The load is done, but not told of"):
        task_of_it = materializing(_publish, report) if _is_news(report, key) else _publish
        task_of_it(report, place, key)


def _is_news(report: LoadReport, key: str | None) -> bool:
    return report.status == "loaded" and key is None


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
        source=request.source,
        drop_rules=sorted(request.drop_rules),
        new_columns=request.new_columns,
    )
