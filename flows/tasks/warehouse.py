"""The task of the warehouse: the load that brings its month to what the lake has."""

from __future__ import annotations

from datetime import datetime

from prefect import get_run_logger, task
from prefect.runtime import flow_run

from flows.load.warehouse.protocol import WarehouseLoad, has_objects
from flows.tasks.connect import open_lake, open_warehouse
from flows.tasks.policy import RETRY_TRANSIENT, with_month_context
from flows.tlc.dataset import Dataset
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import manifest_object
from flows.tlc.month import Month
from flows.tlc.report import LoadReport
from flows.ui.days import publish_days


@task(name="load-into-warehouse", task_run_name="load {dataset} {month} into the warehouse", **RETRY_TRANSIENT)
def load_into_warehouse(dataset: Dataset, month: Month, started_at: datetime, force: bool) -> LoadReport | None:
    """Replace the warehouse's month by what the lake has; None if the lake does not have the month."""
    return replace_month(dataset, month, started_at, force=force)


def replace_month(dataset: Dataset, month: Month, started_at: datetime, *, force: bool = False) -> LoadReport | None:
    """Replace the warehouse's month by what the lake has; None if the lake does not have the month.

    Reads the manifest each time: the reason for a retry may be that the lake was rewritten meanwhile.
    """
    request = MonthRequest(dataset, month)
    with with_month_context(request):
        lake = open_lake()
    place = f"{lake.url}/{manifest_object(dataset, month)}"
    with with_month_context(request, place):
        manifest = lake.read_manifest(dataset, month)
        if manifest is None:
            return None
        warehouse = open_warehouse()
        load = WarehouseLoad(manifest, lake.url, force, flow_run.get_id(), started_at, lake)
        get_run_logger().info("%s rows in %d objects → %s", f"{load.rows:,}", len(load.objects), warehouse.place)
        report = warehouse.load_month(load, is_current=lambda: has_objects(lake, load))
    publish_days(report, manifest.rows_by_day)
    return report


def warn_not_in_lake(report: LoadReport) -> None:
    """Say what to do about a month that the lake does not have; of one that is not published, others say that."""
    get_run_logger().warning(
        "%s %s: there is no %s. Run api_to_gcs for it first.", report.dataset, report.month, report.source_url
    )


def not_in_lake_report(dataset: Dataset, month: Month) -> LoadReport:
    """What gcs_to_bigquery returns for a month that the lake does not have."""
    url = f"{open_lake().url}/{manifest_object(dataset, month)}"
    return LoadReport(dataset=str(dataset), month=str(month), target="bigquery", source_url=url, status="not_published")
