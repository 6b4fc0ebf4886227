"""GCS → BigQuery: one month of trips, from the lake into its partition of the warehouse."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import flow

from flows.parameters import DatasetName, Force, MonthName, month_request
from flows.tasks.codes import refresh_codes
from flows.tasks.policy import with_month_context
from flows.tasks.source import finished_report, publish
from flows.tasks.warehouse import load_into_warehouse, not_in_lake_report, warn_not_in_lake
from flows.tlc.dataset import Dataset, Source
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.month import Month
from flows.tlc.report import LoadReport


@flow(
    name="gcs-to-bigquery",
    flow_run_name="{dataset} {month} → bigquery",
    timeout_seconds=2 * 3600,  # BigQuery takes minutes for the largest month; the rest is waiting for a free slot
    persist_result=False,
)
def gcs_to_bigquery(dataset: DatasetName, month: MonthName, force: Force = False) -> LoadReport:
    """Load one month of trips from the lake into BigQuery, replacing what the table has of that month.

    The month is replaced whole or not at all, in `tlc.<dataset>_trips`, by one load job that reads the lake's objects
    where they are: no trip data passes through this machine. If the table already has what the lake has, the run
    ends as `unchanged`; if the lake does not have the month, as `not_published`: run `api_to_gcs` first. With a
    DuckDB file as the warehouse and a folder as the lake, it does the same on one machine.

    Requires: the blocks `tlc-lake` and `tlc-warehouse` (`python -m blocks.register`).
    """
    request = month_request(dataset, month, Source.tlc, [])
    report = month_to_warehouse(request.dataset, request.month, force=force)
    if report.status == "not_published":
        warn_not_in_lake(report)
    return report


def month_to_warehouse(dataset: Dataset, month: Month, *, force: bool = False) -> LoadReport:
    """Load the month from the lake, unless the warehouse has what the lake has; publish the report."""
    started_at = datetime.now(UTC)
    with with_month_context(MonthRequest(dataset, month)):
        report = load_into_warehouse(dataset, month, started_at, force)
        if report is None:
            return not_in_lake_report(dataset, month)
    report = finished_report(report, started_at)
    refresh_codes(report)  # before the event that tells others of the month
    publish(report, f"`{SCHEMA}.{trips_table(dataset)}` of the warehouse, a partition a month")
    return report
