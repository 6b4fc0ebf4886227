"""The lake's scenarios on the real Cloud Storage: the very tests that run against the stand-in, in a bucket."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from flows.load.lake.gcs import GcsLake
from tests.integration.load.lake.conftest import days_file, loader  # noqa: F401 - fixtures of the scenarios
from tests.integration.load.lake.test_load_month import (
    test_a_layout_that_is_lacking_is_no_unchanged_and_one_that_is_there_stays,  # noqa: F401
    test_a_load_that_took_longer_does_not_put_an_older_version_back,  # noqa: F401
    test_a_republished_month_has_its_days_and_no_others,  # noqa: F401
    test_again_is_unchanged_and_force_is_not,  # noqa: F401
    test_every_dataset_is_there_in_both_layouts,  # noqa: F401
    test_months_stay_apart,  # noqa: F401
    test_rejected_rows_lie_beside_and_go_with_their_version,  # noqa: F401
    test_the_manifest_says_all_that_a_reader_needs,  # noqa: F401
    test_two_loads_of_the_same_month_at_once,  # noqa: F401
)

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(900)]


@pytest.fixture
def lake(cloud_bucket: Any) -> Iterator[GcsLake]:
    """An empty prefix of the run's bucket."""
    prefix = f"lake-{uuid.uuid4().hex[:12]}"
    yield GcsLake(cloud_bucket, prefix)
    for blob in cloud_bucket.list_blobs(prefix=f"{prefix}/"):
        blob.delete()
