"""The real Google Cloud, for who has a project: a bucket and a dataset of the run's own, removed afterwards.

    TLC_CLOUD_PROJECT=my-project pytest -m cloud

Credentials are the application default ones. TLC_CLOUD_LOCATION says where (default EU); TLC_CLOUD_BUCKET takes a
bucket that exists instead of making one. One run costs less than 0.01 US dollars.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from flows.load.bigquery.month import BigQueryWarehouse
from tests.integration.load.warehouse.lake_months import WrittenLake
from tests.integration.load.warehouse.rigs import BigQueryRig

PROJECT = os.environ.get("TLC_CLOUD_PROJECT")
LOCATION = os.environ.get("TLC_CLOUD_LOCATION", "EU")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cloud: asks the real Google Cloud; needs -m cloud and TLC_CLOUD_PROJECT")


@pytest.fixture(scope="session")
def cloud_bucket() -> Iterator[Any]:
    """A bucket in the location, and the prefix below which this run writes."""
    from google.cloud import storage  # noqa: PLC0415 - with the cloud only

    client = storage.Client(PROJECT)
    given = os.environ.get("TLC_CLOUD_BUCKET")
    bucket = client.bucket(given or f"tlc-cloud-test-{uuid.uuid4().hex[:12]}")
    if not given:
        client.create_bucket(bucket, location=LOCATION)
    yield bucket
    if not given:
        bucket.delete(force=True)


@pytest.fixture
def cloud_rig(cloud_bucket: Any) -> Iterator[BigQueryRig]:
    """A dataset that does not exist yet and an empty prefix of the bucket."""
    from google.cloud import bigquery  # noqa: PLC0415

    name = f"tlc_cloud_test_{uuid.uuid4().hex[:12]}"

    def put(key: str, content: bytes) -> int:
        blob = cloud_bucket.blob(f"{name}/{key}")
        blob.upload_from_string(content)
        return int(blob.generation)

    client = bigquery.Client(PROJECT)
    rig = BigQueryRig(
        WrittenLake(f"gs://{cloud_bucket.name}/{name}", put), BigQueryWarehouse(client, name, location=LOCATION)
    )
    yield rig
    client.delete_dataset(name, delete_contents=True, not_found_ok=True)
    for blob in cloud_bucket.list_blobs(prefix=f"{name}/"):
        blob.delete()
