"""Tell Prefect what was loaded: an event for automations, and an asset with where its rows came from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect.assets import Asset, AssetProperties, add_asset_metadata
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.tasks import MaterializingTask

from blocks.events import MONTH_LOADED
from blocks.unfinished_runs import watch_unfinished_runs
from flows.tlc.dataset import Dataset, dataset_info
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.report import LoadReport, Target
from flows.ui.report import best_effort

P = ParamSpec("P")
R = TypeVar("R")

# An asset is a dataset in a target: months are its materializations. The names are the project's own, so that an asset
# is the same one whichever server or bucket holds it.
_PLACES: dict[Target, str] = {"postgres": "postgres", "gcs": "lake", "bigquery": "warehouse"}


def watch_runs_again() -> None:
    """Have Prefect's server watch every run that has not ended: it may have been killed since, and forgotten some."""
    with best_effort("Runs that died with Prefect's server are not found"), get_client(sync_client=True) as client:
        watch_unfinished_runs(client)


def emit_month_loaded(report: LoadReport) -> None:
    """Emit ``tlc.month.loaded`` for a newly loaded month; to be called within a task that is `materializing`."""
    emit_event(
        MONTH_LOADED,
        resource={
            "prefect.resource.id": f"tlc.month.{report.target}.{report.dataset}.{report.month}",
            "prefect.resource.name": f"{report.dataset} {report.month} → {report.target}",
            "tlc.dataset": report.dataset,
            "tlc.month": report.month,
            "tlc.target": report.target,
        },
        payload=report.model_dump(mode="json"),
    )
    counts = report.model_dump(include={"month", "rows_read", "rows_loaded", "rows_rejected", "rows_flagged"})
    add_asset_metadata(asset_of(Dataset(report.dataset), report.target), counts)


def materializing(function: Callable[P, R], report: LoadReport, **options: Any) -> MaterializingTask[P, R]:
    """``function`` as a task that materializes the report's asset, from the asset that its rows came from.

    Prefect records the materialization if the task ends well. ``options`` are those of a task.
    """
    dataset = Dataset(report.dataset)
    from_lake = report.target == "bigquery"
    return MaterializingTask(
        fn=function,
        assets=[asset_of(dataset, report.target)],
        asset_deps=[asset_of(dataset, "gcs") if from_lake else Asset(key=_folder(report.source_url, dataset))],
        **options,
    )


def asset_of(dataset: Dataset, target: Target) -> Asset:
    """The asset that a dataset is in a target."""
    info = dataset_info(dataset)
    return Asset(
        key=f"{_PLACES[target]}://{SCHEMA}/{trips_table(dataset)}",
        properties=AssetProperties(name=f"{info.title} ({_PLACES[target]})", description=info.description),
    )


def _folder(source_url: str, dataset: Dataset) -> str:
    """``https://host/trip-data/green``: what a source has of a dataset."""
    return f"{source_url.rpartition('/')[0]}/{dataset}"
