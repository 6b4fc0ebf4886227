"""dbt builds the models in the real BigQuery. Asks for a project: see conftest."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import build_models
from tests.integration.load.warehouse.lake_months import made_month
from tests.integration.load.warehouse.rigs import BigQueryRig

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(900)]


def test_dbt_builds_the_models_and_replaces_a_month(
    cloud_rig: BigQueryRig,
    bigquery_adapter: None,
    prefect: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, dataset = cloud_rig.warehouse.client, cloud_rig.warehouse.dataset_id
    monkeypatch.setenv("TLC_WAREHOUSE_URL", f"bigquery://{client.project}/{dataset}")
    monkeypatch.setenv("TLC_LOCAL_DIR", str(tmp_path / "local"))

    def load(month: str, rows: int) -> None:
        file = made_month(tmp_path, "green", month, rows=rows)
        cloud_rig.load(cloud_rig.lake.write("green", month, file, etag=str(rows)))

    def trips(table: str) -> dict[str, int]:
        sql = f"select format_date('%Y-%m', source_month) as month, {table} group by month"
        return {row["month"]: row["trips"] for row in client.query(sql).result()}

    load("2020-10", 500)
    load("2020-11", 500)
    try:
        assert build_models(target="bigquery").months == ["2020-10", "2020-11"]
        load("2020-11", 400)
        assert build_models(target="bigquery").months == ["2020-11"]
        assert build_models(target="bigquery").status == "unchanged"
        loaded = trips(f"count(*) as trips from `{dataset}.green_trips`")
        for mart in ("daily_trips", "service_share", "quarterly_revenue"):
            assert trips(f"sum(trips) as trips from `{dataset}_marts.{mart}`") == loaded
    finally:
        for suffix in ("marts", "staging"):
            client.delete_dataset(f"{dataset}_{suffix}", delete_contents=True, not_found_ok=True)
