"""Both warehouses keep the same promises: each scenario on a DuckDB file and on BigQuery's client and API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from flows.tlc.locations import Layout
from tests.integration.load.warehouse.rigs import BigQueryRig, Rig, bigquery_rig, duckdb_rig
from tests.integration.load.warehouse.scenarios import SCENARIOS, assert_same


@pytest.fixture(params=["duckdb", "bigquery"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    if request.param == "duckdb":
        yield duckdb_rig(tmp_path)
        return
    with bigquery_rig() as rig:
        yield rig


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("months")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_warehouse(scenario: Callable[[Rig, Path], None], rig: Rig, files: Path) -> None:
    scenario(rig, files)
    if isinstance(rig, BigQueryRig):
        assert rig.server is not None
        assert rig.server.calls("jobs.upload") == []


@pytest.mark.parametrize("layout", ["unpartitioned", "partitioned"])
def test_a_real_month_is_equal_column_by_column(rig: Rig, tlc: Path, layout: Layout) -> None:
    seen: list[pa.Table] = []

    def keep(trips: pa.Table) -> pa.Table:
        seen.append(trips)
        return trips

    file = tlc / "cdn/trip-data/green_tripdata_2020-12.parquet"
    report = rig.load(rig.lake.write("green", "2020-12", file, layouts=[layout], change=keep))
    assert report.rows_loaded == seen[0].num_rows == 83_130
    assert_same(rig, "green", seen[0])
