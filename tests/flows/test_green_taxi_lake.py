"""The homework's half in the lake: one Parquet file a pickup date."""

from __future__ import annotations

from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from flows import green_taxi_etl
from flows.load.lake.manifest import Manifest


@pytest.fixture
def folder(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TLC_LAKE_URL", f"file://{tmp_path}/lake")
    return tmp_path / "lake"


def test_homework_has_95_date_folders_and_only_those_of_its_months(folder: Path, database) -> None:
    report = green_taxi_etl()

    days = sorted((folder / "green_taxi").iterdir())
    assert (len(days), days[0].name, days[-1].name) == (
        95,
        "lpep_pickup_date=2009-01-01",
        "lpep_pickup_date=2021-01-01",
    )
    table = ds.dataset(folder / "green_taxi", partitioning="hive").to_table()
    assert table.num_rows == report.rows_loaded == 139_370
    assert (report.target, report.rows_read) == ("postgres", 266_855)
    for column in ("trip_distance", "total_amount", "passenger_count", "pu_location_id"):
        in_lake = sum(value for value in table[column].to_pylist() if value is not None)
        assert in_lake == pytest.approx(float(database.value(f"select sum({column}) from mage.green_taxi")))
    assert set(map(str, table["lpep_pickup_date"].to_pylist())) == {day.name.partition("=")[2] for day in days}
    assert "lpep_pickup_date" not in pq.ParquetFile(days[0] / "green_taxi.parquet").schema_arrow.names

    green_taxi_etl(months=["2020-12"])
    manifest = Manifest.model_validate_json((folder / "manifests/green_taxi.json").read_text())
    assert manifest.report.rows_loaded == ds.dataset(folder / "green_taxi", partitioning="hive").count_rows()
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")}
    assert left == {item.name for item in manifest.objects}
    assert len(left) < 40
    assert not list(folder.glob(".tmp/*/*"))
