"""reconcile with a bucket and BigQuery, through Google's clients and the stand-ins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows import load_month, reconcile
from flows.tlc.errors import CheckFailed
from tests.servers.bigquery import BigQueryStandIn
from tests.servers.gcs import GcsWire

NAME = "trips/green/unpartitioned/green_tripdata_2020-12.parquet"


@pytest.fixture
def cloud(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[GcsWire, BigQueryStandIn]]:
    with GcsWire("lake") as gcs, BigQueryStandIn(gcs.read_object, list_objects=gcs.list_objects) as bigquery:
        for name, value in {
            "STORAGE_EMULATOR_HOST": gcs.url,
            "BIGQUERY_EMULATOR_HOST": bigquery.url,
            "TLC_GCP_PROJECT": "test-project",
            "TLC_LAKE_URL": "gs://lake",
            "TLC_WAREHOUSE_URL": "bigquery://test-project/tlc?location=EU",
        }.items():
            monkeypatch.setenv(name, value)
        yield gcs, bigquery


def test_a_bucket_and_bigquery_are_compared(cloud: tuple[GcsWire, BigQueryStandIn]) -> None:
    gcs, bigquery = cloud
    load_month(dataset="green", month="2020-12", targets=["gcs", "bigquery"])
    sent = len(bigquery.jobs)
    (month,) = reconcile(dataset="green").months
    assert {name: totals.rows for name, totals in month.places.items() if totals} == dict.fromkeys(
        ["gcs unpartitioned", "gcs partitioned", "bigquery"], 83_130
    )
    purposes = [job["configuration"]["labels"]["purpose"] for job in bigquery.jobs[sent:]]
    assert sorted(set(purposes)) == ["tlc-ledger", "tlc-reconcile"]
    assert bigquery.unbounded_queries == []

    bucket = gcs.client().bucket("lake")
    bucket.blob(NAME).upload_from_string(bucket.blob(NAME).download_as_bytes())
    bigquery.client().delete_table("test-project.tlc.green_trips$202012")
    with pytest.raises(CheckFailed) as caught:
        reconcile(dataset="green")
    assert f"gs://lake/{NAME} was written anew since: generation" in str(caught.value)
    assert "bigquery has 0 rows, but its own ledger says 83,130" in str(caught.value)
    assert "targets=['gcs', 'bigquery'] and force=True" in str(caught.value)
