"""API → Postgres: one month of trips, from the source into its partition."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import flow

from flows.parameters import DatasetName, DropRules, Force, MonthName, NewColumnsChoice, SourceName, month_request
from flows.tasks.codes import refresh_codes
from flows.tasks.policy import with_month_context
from flows.tasks.postgres import find_in_postgres, load_into_postgres
from flows.tasks.source import download_month, find_month, finished_report, not_published_report, publish
from flows.tlc.dataset import Source
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.report import LoadReport


@flow(
    name="api-to-postgres",
    flow_run_name="{dataset} {month} → postgres",
    timeout_seconds=6 * 3600,  # the largest month, over the slowest line that is still worth waiting for
    persist_result=False,
)
def api_to_postgres(
    dataset: DatasetName,
    month: MonthName,
    source: SourceName = Source.tlc,
    drop_rules: DropRules = [],  # noqa: B006 - never changed; the UI's form shows it as an empty list
    force: Force = False,
    new_columns: NewColumnsChoice = "fail",
) -> LoadReport:
    """Load one month of trips from the source into Postgres, replacing what the table has of that month.

    The month is replaced whole or not at all, in `tlc.<dataset>_trips`. If the table already has this very file,
    nothing is downloaded and the run ends as `unchanged`. Every row is loaded, or kept in `tlc.rejected_trips` with
    the rule that rejected it; odd rows are loaded and counted.

    Requires: the blocks `tlc-postgres` and `tlc-source` or `mirror-source` (`python -m blocks.register`).
    """
    return month_to_postgres(month_request(dataset, month, source, drop_rules, new_columns), force=force)


def month_to_postgres(request: MonthRequest, *, force: bool = False) -> LoadReport:
    """Find the month's file, and unless Postgres has this very file, download it and load it; publish the report."""
    started_at = datetime.now(UTC)
    with with_month_context(request):
        found = find_month(request)
        if found is None:
            return not_published_report(request, "postgres")
        report = None if force else find_in_postgres(found)
        if report is None:
            report = load_into_postgres(download_month(found), started_at, force)
    report = finished_report(report, started_at)
    refresh_codes(report)  # before the event that tells others of the month
    publish(report, f"`{SCHEMA}.{trips_table(request.dataset)}`, rejected rows in `{SCHEMA}.rejected_trips`")
    return report
