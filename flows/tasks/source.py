"""The tasks of every flow that loads: find the month's file, download it, and publish what was loaded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from flows.tasks.connect import month_url
from flows.tasks.month_file import DownloadedMonth, FoundMonth, download_month_file, find_month_file
from flows.tasks.policy import RETRY_TRANSIENT
from flows.tlc.identity import MonthRequest
from flows.tlc.report import LoadReport, Target
from flows.tlc.urls import plain_url
from flows.ui.events import emit_month_loaded, materializing
from flows.ui.later import show
from flows.ui.report import ProgressBar, best_effort, publish_report

_PUBLISH: dict[str, Any] = {
    "name": "publish-report",
    "task_run_name": "publish {report.dataset} {report.month} → {report.target}",
    "cache_policy": NO_CACHE,
    "persist_result": False,
}


@task(name="find-month", task_run_name="find {request.dataset} {request.month}", **RETRY_TRANSIENT)
def find_month(request: MonthRequest) -> FoundMonth | None:
    """Ask the source for the month's file and its version; None if it is not published."""
    found = find_month_file(request)
    get_run_logger().info("%s is %s", plain_url(month_url(request)), _version_sentence(found))
    return found


def _version_sentence(found: FoundMonth | None) -> str:
    return f"there, version {found.file.etag or found.file.last_modified or 'unknown'}" if found else "not published"


@task(name="download-month", task_run_name="download {found.request.dataset} {found.request.month}", **RETRY_TRANSIENT)
def download_month(found: FoundMonth) -> DownloadedMonth:
    """Bring the file into the cache, whole and verified, resuming what an earlier try has of it."""
    bar = ProgressBar(f"Downloading {found.request.dataset} {found.request.month}")
    return download_month_file(found, bar.update)


def publish(report: LoadReport, place: str, key: str | None = None) -> None:
    """Publish in the log and in the UI what the load did and where the rows are; emit an event if any were loaded.

    ``key`` names the artifacts of what is no month of a dataset: the homework. If publishing fails, the load stays
    successful.
    """
    show(_run_publish, report, place, key)


def _run_publish(report: LoadReport, place: str, key: str | None) -> None:
    with best_effort("The load is done, but not shown in the UI"):
        is_new = report.status == "loaded" and key is None
        publish_task = materializing(_publish, report, **_PUBLISH) if is_new else task(_publish, **_PUBLISH)
        publish_task(report, place, key, is_new)


def _publish(report: LoadReport, place: str, key: str | None, is_new: bool) -> None:
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
    if is_new:
        emit_month_loaded(report)


def finished_report(report: LoadReport, started_at: datetime) -> LoadReport:
    """The report with the seconds of the whole flow so far."""
    return report.model_copy(update={"seconds": round((datetime.now(UTC) - started_at).total_seconds(), 3)})


def not_published_report(request: MonthRequest, target: Target) -> LoadReport:
    """What a load flow returns for a month that the source does not have yet."""
    return LoadReport(
        dataset=str(request.dataset),
        month=str(request.month),
        target=target,
        source_url=plain_url(month_url(request)),
        status="not_published",
        source=request.source,
        drop_rules=sorted(request.drop_rules),
        new_columns=request.new_columns,
    )
