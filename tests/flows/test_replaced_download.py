"""Between a run's download and its load another run may replace or prune the file: ledgers say what was really read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect import flow

from flows.extract.download import Downloaded, discard
from flows.tasks.green_taxi import write_green_taxi_to_lake
from flows.tasks.lake import load_into_lake
from flows.tasks.month_file import DownloadedMonth
from flows.tasks.postgres import load_into_postgres
from flows.tasks.reconcile import sum_source_file
from flows.tasks.source import download_month, find_month
from flows.tlc.dataset import Dataset, Source
from flows.tlc.errors import SourceChanged
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import month_path
from flows.tlc.month import Month
from flows.tlc.report import LoadReport

REQUEST = MonthRequest(Dataset.green, Month(2020, 12))
PATH = month_path(Dataset.green, Month(2020, 12), Source.tlc)


def fetch(request: MonthRequest) -> DownloadedMonth:
    found = find_month(request)
    assert found is not None
    return download_month(found)


@pytest.fixture
def lake(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TLC_LAKE_URL", f"file://{tmp_path}/lake")
    return tmp_path / "lake"


def test_each_target_names_the_version_that_it_has(lake: Path, database, site, tlc: Path) -> None:
    newer = (tlc / "cdn/trip-data/green_tripdata_2023-12.parquet").read_bytes()

    @flow
    def two_runs() -> tuple[Downloaded, LoadReport, LoadReport, str]:
        month = fetch(REQUEST)
        started_at = datetime.now(UTC)
        discard(month.downloaded.path, month.downloaded.etag)  # as pruning does
        first = load_into_postgres(month, started_at, force=False)
        site.put(PATH, newer)
        of_another_run = fetch(REQUEST).downloaded
        second = load_into_lake(month, frozenset({"unpartitioned"}), started_at, force=False)
        assert sum_source_file(month, []).identity == of_another_run.etag
        return month.downloaded, first, second, of_another_run.etag

    downloaded, first, second, newer_etag = two_runs()
    assert (first.source_etag, first.rows_read) == (downloaded.etag, 83_130)
    assert database.query("select source_etag, rows_read from tlc.loads") == [(downloaded.etag, 83_130)]
    assert first.bytes_read == 2 * downloaded.length
    assert (second.source_etag, second.rows_read) == (newer_etag, 64_215)
    assert newer_etag != downloaded.etag


def test_the_homeworks_lake_is_not_filled_from_another_version_than_its_table(lake: Path, site, tlc: Path) -> None:
    request = MonthRequest(Dataset.green, Month(2020, 12), Source.mirror)
    path = month_path(Dataset.green, Month(2020, 12), Source.mirror)

    @flow
    def homework() -> None:
        month = fetch(request)
        report = LoadReport(
            dataset="green",
            month="2020-12",
            target="postgres",
            source_url=month.file.where,
            source_etag=month.downloaded.etag,
        )
        site.put(path, (tlc / f"mirror{path}").read_bytes() + bytes(8))
        fetch(request)
        write_green_taxi_to_lake([month], report)

    with pytest.raises(SourceChanged, match=r"published anew after mage\.green_taxi was loaded from it"):
        homework()
    assert not (lake / "green_taxi").exists()
