"""Tell Prefect what was loaded: an event for automations, and an asset with where its rows came from."""

from __future__ import annotations

from prefect.assets import Asset, AssetProperties, add_asset_metadata, materialize
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from blocks.events import MONTH_LOADED
from flows.tlc.dataset import Dataset, dataset_info
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.report import LoadReport, Target

# An asset is a dataset in a target: months are its materializations. The names are the project's own, so that the same
# asset is the same whichever server or bucket holds it.
_PLACES: dict[Target, str] = {"postgres": "postgres", "gcs": "lake", "bigquery": "warehouse"}


def announce(report: LoadReport) -> None:
    """Where a target has a month anew, emit ``tlc.month.loaded`` and record the materialization of the asset."""
    if report.status != "loaded":
        return
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
    dataset = Dataset(report.dataset)
    from_lake = report.target == "bigquery"
    source = asset_of(dataset, "gcs") if from_lake else Asset(key=_folder(report.source_url, dataset))
    _record.with_options(assets=[asset_of(dataset, report.target)], asset_deps=[source])(report)


def asset_of(dataset: Dataset, target: Target) -> Asset:
    """The asset that a dataset is in a target."""
    info = dataset_info(dataset)
    return Asset(
        key=f"{_PLACES[target]}://{SCHEMA}/{trips_table(dataset)}",
        properties=AssetProperties(name=f"{info.title} ({_PLACES[target]})", description=info.description),
    )


@materialize(
    asset_of(Dataset.green, "postgres"),  # each call has its own: see `announce`
    name="record-materialization",
    task_run_name="record {report.dataset} {report.month} → {report.target}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def _record(report: LoadReport) -> None:
    counts = report.model_dump(include={"month", "rows_read", "rows_loaded", "rows_rejected", "rows_flagged"})
    add_asset_metadata(asset_of(Dataset(report.dataset), report.target), counts)


def _folder(source_url: str, dataset: Dataset) -> str:
    """``https://host/trip-data/green``: what a source has of a dataset."""
    return f"{source_url.rpartition('/')[0]}/{dataset}"
