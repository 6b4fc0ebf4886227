"""The warehouses keep the same promises: each scenario on a DuckDB file (from folder and bucket) and BigQuery."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from flows.tlc.errors import ParameterError
from flows.tlc.locations import Layout
from tests.integration.load.warehouse.rigs import (
    BigQueryRig,
    DuckDbFromBucketRig,
    Rig,
    bigquery_rig,
    duckdb_from_bucket_rig,
    duckdb_rig,
)
from tests.integration.load.warehouse.scenarios import SCENARIOS, assert_same, the_lake_is_queried_without_a_load


@pytest.fixture(params=["duckdb", "duckdb_from_bucket", "bigquery"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    if request.param == "duckdb":
        yield duckdb_rig(tmp_path)
        return
    with bigquery_rig() if request.param == "bigquery" else duckdb_from_bucket_rig(tmp_path) as rig:
        yield rig


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("months")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_warehouse(scenario: Callable[[Rig, Path], None], rig: Rig, files: Path) -> None:
    if isinstance(rig, DuckDbFromBucketRig) and scenario is the_lake_is_queried_without_a_load:
        with pytest.raises(ParameterError, match=r"a lake in a folder .* the lake is gs://lake.* gcs_to_bigquery"):
            scenario(rig, files)
        return
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
