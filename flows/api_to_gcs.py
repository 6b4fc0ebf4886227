"""API → lake: one month of trips, from the source into Parquet, in Cloud Storage or a local folder."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import flow

from flows.parameters import (
    DatasetName,
    DropRules,
    Force,
    LayoutChoice,
    MonthName,
    NewColumnsChoice,
    SourceName,
    layouts_of,
    month_request,
)
from flows.tasks.codes import refresh_codes
from flows.tasks.lake import find_in_lake, lake_place, load_into_lake
from flows.tasks.policy import with_month_context
from flows.tasks.source import download_month, find_month, finished_report, not_published_report, publish
from flows.tlc.dataset import Source
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import LAYOUTS, Layout
from flows.tlc.report import LoadReport


@flow(
    name="api-to-gcs",
    flow_run_name="{dataset} {month} → gcs",
    timeout_seconds=6 * 3600,  # the largest month, over the slowest line that is still worth waiting for
    persist_result=False,
)
def api_to_gcs(
    dataset: DatasetName,
    month: MonthName,
    source: SourceName = Source.tlc,
    layout: LayoutChoice = "both",
    drop_rules: DropRules = [],  # noqa: B006 - never changed; the UI's form shows it as an empty list
    force: Force = False,
    new_columns: NewColumnsChoice = "fail",
) -> LoadReport:
    """Load one month of trips from the source into the lake, replacing what the lake has of that month.

    The month is replaced whole or not at all, as `manifests/<dataset>/<month>.json` in the lake says. If the lake
    already has this very file in this layout, nothing is downloaded and the run ends as `unchanged`. Every row is
    loaded, or kept under `rejected/` with the rule that rejected it; odd rows are loaded and counted.

    Requires: the blocks `tlc-lake` and `tlc-source` or `mirror-source` (`python -m blocks.register`).
    """
    request = month_request(dataset, month, source, drop_rules, new_columns)
    return month_to_lake(request, layouts_of(layout), force=force)


def month_to_lake(request: MonthRequest, layouts: frozenset[Layout] = LAYOUTS, *, force: bool = False) -> LoadReport:
    """Find the month's file, and unless the lake has this very file, download it and load it; publish the report."""
    started_at = datetime.now(UTC)
    with with_month_context(request):
        found = find_month(request)
        if found is None:
            return not_published_report(request, "gcs")
        place = lake_place(request)
        report = None if force else find_in_lake(found, layouts)
        if report is None:
            report = load_into_lake(download_month(found), layouts, started_at, force)
    report = finished_report(report, started_at)
    refresh_codes(report)  # before the event that tells others of the month
    publish(report, place)
    return report
