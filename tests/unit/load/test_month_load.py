"""Which of two loads of a month is out of date, by when each looked at the source."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flows.load.month_load import MonthLoad
from flows.tlc.dataset import Dataset
from flows.tlc.identity import MonthRequest
from flows.tlc.month import Month

URL = "http://source/green_tripdata_2023-12.parquet"
NOW = datetime.now(UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("url", "etag", "checked_at", "is_outdated"),
    [
        (URL, "v2", NOW - HOUR + timedelta(seconds=1), True),
        (URL, "v2", NOW - 2 * HOUR, False),
        (URL, "v1", NOW - HOUR + timedelta(seconds=1), False),
        (URL + "?mirror", "v2", NOW, False),
        (URL, "v2", None, False),
        (URL, "v2", NOW + DAY, False),
    ],
    ids=["later", "earlier", "same version", "another source", "unknown", "a clock that runs ahead"],
)
def test_outdated_is_who_looked_earlier_at_another_version(
    url: str, etag: str, checked_at: datetime | None, is_outdated: bool
) -> None:
    load = MonthLoad(MonthRequest(Dataset.green, Month(2023, 12)), "gcs", URL, "v1", started_at=NOW - HOUR)
    assert load.is_outdated_by(url, etag, checked_at) is is_outdated


def test_a_load_of_a_version_that_came_with_the_download_looked_when_it_was_asked_for() -> None:
    request = MonthRequest(Dataset.green, Month(2023, 12))
    load = MonthLoad(request, "gcs", URL, "v2", started_at=NOW - 2 * HOUR, rechecked_at=NOW - HOUR)
    assert load.source_checked_at == NOW - HOUR
    assert not load.is_outdated_by(URL, "v1", NOW - HOUR - timedelta(minutes=1))
