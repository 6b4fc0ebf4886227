"""The warehouse's scenarios on the real BigQuery, and what no stand-in can show. Asks for a project: see conftest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flows.tlc.errors import TargetMismatch
from tests.integration.load.warehouse.lake_months import made_month
from tests.integration.load.warehouse.rigs import BigQueryRig, Rig
from tests.integration.load.warehouse.scenarios import SCENARIOS, float_passengers

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(900)]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("months")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_warehouse(scenario: Callable[[Rig, Path], None], cloud_rig: BigQueryRig, files: Path) -> None:
    scenario(cloud_rig, files)


def test_bigquery_stores_what_was_declared(cloud_rig: BigQueryRig, files: Path) -> None:
    cloud_rig.load(cloud_rig.lake.write("green", "2020-10", made_month(files, "green", "2020-10")))
    warehouse = cloud_rig.warehouse
    table = warehouse.client.get_table(f"{warehouse.client.project}.{warehouse.dataset_id}.green_trips")
    assert (table.time_partitioning.type_, table.time_partitioning.field) == ("MONTH", "source_month")
    assert table.time_partitioning.expiration_ms is None
    assert table.clustering_fields == ["pu_location_id", "lpep_pickup_datetime"]
    kinds = {field.name: (field.field_type, field.mode) for field in table.schema}
    assert kinds["lpep_pickup_datetime"] == ("DATETIME", "REQUIRED")
    assert kinds["source_month"] == ("DATE", "REQUIRED")
    assert all(field.description for field in table.schema)
    assert cloud_rig.rows_by_month() == {"2020-10": 500}


def test_a_query_over_one_month_reads_one_partition(cloud_rig: BigQueryRig, files: Path) -> None:
    from google.cloud import bigquery  # noqa: PLC0415 - with the cloud only

    for month in ("2020-10", "2020-11"):
        cloud_rig.load(cloud_rig.lake.write("green", month, made_month(files, "green", month)))
    client, dataset = cloud_rig.warehouse.client, cloud_rig.warehouse.dataset_id
    sql = f"select sum(total_amount) from `{client.project}.{dataset}.green_trips`"
    dry = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    both = client.query(f"{sql} where source_month >= '2020-10-01'", dry).total_bytes_processed
    one = client.query(f"{sql} where source_month = '2020-10-01'", dry).total_bytes_processed
    assert 0 < one == both / 2


def test_the_columns_error_of_bigquery_is_the_one_that_the_stand_in_gives(cloud_rig: BigQueryRig, files: Path) -> None:
    wrong = cloud_rig.lake.write("green", "2020-10", made_month(files, "green", "2020-10"), change=float_passengers)
    with pytest.raises(TargetMismatch, match=r"Parquet column 'passenger_count' has type DOUBLE .* cpp_type INT64"):
        cloud_rig.load(wrong)
