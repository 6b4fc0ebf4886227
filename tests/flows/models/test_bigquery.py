"""The models in BigQuery: dbt itself, with its own adapter, against the strict stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows import build_models
from tests.flows.models.conftest import Put, load
from tests.servers.bigquery import BigQueryStandIn
from tests.servers.gcs_wire import GcsWire


@pytest.fixture
def bigquery(dbt: None, environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BigQueryStandIn]:
    with GcsWire("lake") as gcs, BigQueryStandIn(gcs.read_object, list_objects=gcs.list_objects) as running:
        for name, value in {
            "STORAGE_EMULATOR_HOST": gcs.url,
            "BIGQUERY_EMULATOR_HOST": running.url,
            "TLC_GCP_PROJECT": "test-project",
            "TLC_LAKE_URL": "gs://lake",
            "TLC_WAREHOUSE_URL": "bigquery://test-project/tlc?location=EU",
        }.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.mark.timeout(900)
def test_probe(bigquery: BigQueryStandIn, publish: Put) -> None:
    publish("green", "2023-10")
    load("green", "2023-10", "bigquery")
    start = len(bigquery.requests)
    try:
        print(build_models(target="bigquery"))
    finally:
        for r in bigquery.requests[start:]:
            if r.operation not in ("jobs.getQueryResults",):
                print(r.operation, r.status, r.path[-60:], str(r.json)[:150])
        for j in bigquery.jobs:
            if j["status"].get("errorResult"):
                print(j["configuration"]["query"]["query"][:3000], j["status"])
        print(bigquery.datasets)
    assert 0
