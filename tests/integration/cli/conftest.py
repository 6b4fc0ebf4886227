"""An environment with two months of green in all three targets, without a Prefect server."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from flows.extract.read.trip_file import open_trip_file
from flows.load.duckdb.month import DuckDbWarehouse
from flows.load.lake import month as lake_month
from flows.load.lake.folder import FolderLake
from flows.load.month_load import MonthLoad
from flows.load.postgres import month as postgres
from flows.load.rejected_spill import rejected_spill
from flows.load.warehouse.protocol import WarehouseLoad
from flows.tlc.dataset import Dataset
from flows.tlc.identity import MonthRequest
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from flows.transform.conform import plan_conform
from flows.transform.stream import TripStream
from tests.integration.load.warehouse.lake_months import made_month

ROWS = {"2020-10": 300, "2020-12": 200}


@pytest.fixture
def local(database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment in which two months of green are in all three targets."""
    local = tmp_path / "local"
    for name, value in {
        "TLC_POSTGRES_URL": database.url,
        "TLC_LOCAL_DIR": str(local),
        "TLC_CACHE_DIR": str(tmp_path / "cache"),
        "PREFECT_HOME": str(tmp_path / "prefect"),
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("TLC_LAKE_URL", "TLC_WAREHOUSE_URL"):
        monkeypatch.delenv(name, raising=False)
    lake, warehouse = FolderLake(local / "lake"), DuckDbWarehouse(local / "warehouse.duckdb")
    for month, rows in ROWS.items():
        request = MonthRequest(Dataset.green, Month.parse(month))
        file = made_month(tmp_path, "green", month, rows)
        _load(database, lake, request, file, tmp_path)
        manifest = lake.read_manifest(request.dataset, request.month)
        assert manifest
        warehouse.load_month(WarehouseLoad(manifest, lake.url))
    return tmp_path


def _load(database, lake: FolderLake, request: MonthRequest, file: Path, folder: Path) -> None:
    for target in ("postgres", "gcs"):
        load = MonthLoad(request, target, f"http://source/{file.name}", "v1")
        with ExitStack() as opened:
            trip_file = opened.enter_context(open_trip_file(file))
            rejected = opened.enter_context(rejected_spill())
            conformer = plan_conform(schema_of(request.dataset), request.month, trip_file.column_names)
            trips = TripStream(trip_file, conformer, rejected.write)
            if target == "postgres":
                connection = database.connect()
                opened.callback(connection.close)
                postgres.load_month(connection, load, trips, rejected)
            else:
                size = file.stat().st_size
                lake_month.load_month(lake, load, trips, rejected, work_dir=folder / "work", source_bytes=size)
