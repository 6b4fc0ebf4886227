"""API → lake on the real files, through the flow and its blocks, into a folder and into fake-gcs-server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prefect.filesystems import LocalFileSystem
from prefect_gcp import GcpCredentials, GcsBucket
from prefect_sqlalchemy import SqlAlchemyConnector

from blocks.lake import is_made_up
from blocks.names import GCP, LAKE
from blocks.register import BUILDERS, load_lake, register_blocks
from blocks.trip_data_source import TripDataSource
from blocks.warehouse import TripWarehouse
from flows import api_to_gcs
from flows.load.lake.manifest import Manifest
from flows.tasks.connect import open_lake
from flows.tlc.dataset import Dataset
from flows.tlc.month import Month
from tests.servers.gcs import FakeGcs, GcsWire
from tests.servers.google_token import TokenServer, service_account_file

MONTH = {"dataset": "green", "month": "2020-12"}


@pytest.fixture
def folder(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the lake."""
    monkeypatch.setenv("TLC_LAKE_URL", f"file://{tmp_path}/lake")
    return tmp_path / "lake"


@pytest.fixture
def bucket(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGcs]:
    """fake-gcs-server as the lake, without any key."""
    with FakeGcs(tmp_path / "server", "trips-of-nyc") as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        monkeypatch.setenv("TLC_LAKE_URL", "gs://trips-of-nyc/pre/fix")
        yield server


@pytest.fixture
def registration() -> Iterator[Callable[[], list[str]]]:
    """Writes the blocks, and removes them afterwards: other tests go by the environment."""
    yield register_blocks
    kinds = (SqlAlchemyConnector, TripDataSource, TripWarehouse, GcpCredentials, GcsBucket, LocalFileSystem)
    for kind in kinds:
        for name in BUILDERS:
            with suppress(ValueError):
                kind.delete(name)


def manifest() -> Manifest:
    found = open_lake().read_manifest(Dataset.green, Month(2020, 12))
    assert found is not None
    return found


def test_month_is_in_the_folder_in_both_layouts(folder: Path, tlc: Path) -> None:
    report = api_to_gcs(**MONTH)

    assert (report.target, report.status, report.rows_loaded) == ("gcs", "loaded", 83_130)
    month = pq.read_table(folder / "trips/green/unpartitioned/green_tripdata_2020-12.parquet")
    days = sorted((folder / "trips/green/partitioned").glob("pickup_date=*/green_tripdata_2020-12.parquet"))
    assert month.num_rows == sum(pq.ParquetFile(day).metadata.num_rows for day in days) == 83_130
    assert len(days) == 34
    assert manifest().report.source_etag == report.source_etag
    assert manifest().flow_run_id is not None


def test_second_run_asks_the_source_and_reads_the_manifest(folder: Path, site) -> None:
    first = api_to_gcs(**MONTH, layout="unpartitioned")
    written = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
    asked = len(site.requests)
    again = api_to_gcs(**MONTH, layout="unpartitioned")

    assert (again.status, again.rows_read, again.bytes_read) == ("unchanged", first.rows_read, 0)
    assert [request.method for request in site.requests[asked:]] == ["HEAD"]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")} == written
    assert api_to_gcs(**MONTH).status == "loaded"
    assert api_to_gcs(**MONTH, force=True).status == "loaded"


def test_dropped_rows_are_in_the_lake_as_rejected(folder: Path) -> None:
    report = api_to_gcs(dataset="green", month="2023-12", drop_rules=["zero_distance"])

    assert report.rejected_by_rule == {"zero_distance": 3_274}
    assert pq.read_table(folder / "rejected/green/green_tripdata_2023-12.parquet").num_rows == 3_274


def test_unpublished_month_is_no_failure(folder: Path) -> None:
    report = api_to_gcs(dataset="green", month="2023-11")
    assert (report.status, report.target) == ("not_published", "gcs")
    assert not folder.exists()


def test_month_is_in_the_bucket_without_any_key(bucket: FakeGcs, registration) -> None:
    registration()
    assert api_to_gcs(**MONTH, source="mirror").status == "loaded"
    assert api_to_gcs(**MONTH, source="mirror").status == "unchanged"

    names = bucket.list_objects("trips-of-nyc", "")
    assert "pre/fix/manifests/green/2020-12.json" in names
    assert not any(".tmp/" in name for name in names)
    data = bucket.read_object("trips-of-nyc", "pre/fix/trips/green/unpartitioned/green_tripdata_2020-12.parquet")
    assert pq.read_table(pa.BufferReader(data)).num_rows == 83_130


def test_a_registered_key_needs_its_file_no_more(
    environment: Path, registration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TokenServer() as tokens, GcsWire("lake", tokens=tokens.issued) as gcs:
        for name, value in tokens.environment.items():
            monkeypatch.setenv(name, value)
        key = service_account_file(tmp_path / "key.json", f"{tokens.url}/token", project="test-project")
        monkeypatch.setenv("TLC_GCP_SERVICE_ACCOUNT_FILE", str(key))
        monkeypatch.setenv("TLC_LAKE_URL", "gs://lake")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
        registration()
        key.unlink()  # as for a run in a container, or on another machine
        monkeypatch.delenv("TLC_GCP_SERVICE_ACCOUNT_FILE")
        assert api_to_gcs(**MONTH).status == "loaded"
        assert tokens.assertions
        assert "manifests/green/2020-12.json" in gcs.objects["lake"]


def test_the_lakes_block_follows_the_environment(bucket: FakeGcs, registration, tmp_path: Path, monkeypatch) -> None:
    """Registering one kind removes the other, so that no stale block wins."""
    assert {GCP, LAKE} <= set(registration())
    assert isinstance(load_lake(), GcsBucket)
    assert is_made_up(GcpCredentials.load(GCP))
    monkeypatch.setenv("TLC_LAKE_URL", f"file://{tmp_path}/elsewhere")
    assert GCP not in registration()
    assert isinstance(load_lake(), LocalFileSystem)
    assert open_lake().url == f"file://{tmp_path}/elsewhere"
    monkeypatch.setenv("TLC_LAKE_URL", "gs://trips-of-nyc")
    registration()
    assert open_lake().url == "gs://trips-of-nyc"
    LocalFileSystem(basepath="/").save(LAKE, overwrite=True)
    registration()
    assert isinstance(load_lake(), GcsBucket)


def test_a_wrong_url_says_what_to_write(environment: Path, registration, monkeypatch) -> None:
    monkeypatch.setenv("TLC_LAKE_URL", "s3://bucket")
    with pytest.raises(
        ValueError, match=r"TLC_LAKE_URL=s3://bucket: write gs://bucket, gs://bucket/prefix or file:///path"
    ):
        registration()
