"""Objects of the lake that are not what the manifest says: each is named, whatever it is."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from deployments.tlc_site.synthetic.months import write_parquet
from flows.load.crc32c import crc32c_of
from flows.load.lake import totals as lake_totals
from flows.load.lake.folder import FolderLake
from flows.load.lake.manifest import Manifest
from flows.load.lake.protocol import Lake
from flows.load.lake.totals import LakeMonth, sum_month
from flows.tlc.dataset import Dataset
from flows.tlc.locations import lake_object, manifest_object
from flows.tlc.month import Month
from tests.integration.load.lake.conftest import gcs_lake
from tests.servers.gcs import GcsWire

GREEN, MONTH = Dataset.green, Month(2023, 12)
NAME = lake_object(GREEN, MONTH)


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("months") / "green.parquet"
    write_parquet(GREEN, MONTH, path, 3_000, anomalies=False)
    return path


def found_in(lake: Lake) -> LakeMonth:
    found = sum_month(lake, GREEN, MONTH)
    assert found is not None
    return found


def test_a_missing_object_is_named(lake: Lake, into_lake: Callable, source: Path) -> None:
    into_lake(lake, source, "green", "2023-12")
    lake.delete(lake.find(NAME))

    unpartitioned, partitioned = found_in(lake).layouts
    assert unpartitioned.totals is None
    assert unpartitioned.damage == (f"{lake.url_of(NAME)} is not there, though the manifest names it",)
    assert partitioned.totals.rows == 3_000


def test_a_replaced_object_is_named(lake: Lake, into_lake: Callable, source: Path) -> None:
    into_lake(lake, source, "green", "2023-12", layouts={"unpartitioned"})
    other = io.BytesIO()
    pq.write_table(pq.read_table(io.BytesIO(lake.read(NAME))).slice(1), other)
    lake.write(NAME, other.getvalue(), replaces=lake.find(NAME).generation)

    (layout,) = found_in(lake).layouts
    assert "is not the object that the manifest names" in layout.damage[0]
    assert crc32c_of(other.getvalue()) in layout.damage[0]


def test_the_same_bytes_written_anew_are_another_generation(into_lake: Callable, source: Path) -> None:
    with GcsWire("lake") as wire:
        lake = gcs_lake(wire)
        into_lake(lake, source, "green", "2023-12", layouts={"unpartitioned"})
        blob = lake.bucket.blob(f"{lake.prefix}/{NAME}")
        blob.upload_from_string(lake.read(NAME))
        (layout,) = found_in(lake).layouts
        assert "was written anew since: generation" in layout.damage[0]


def test_an_object_that_is_no_parquet_is_named(into_lake: Callable, source: Path, tmp_path: Path) -> None:
    lake = FolderLake(tmp_path / "lake")
    into_lake(lake, source, "green", "2023-12", layouts={"unpartitioned"})
    name = manifest_object(GREEN, MONTH)
    manifest = Manifest.model_validate_json(lake.read(name))
    lake.write(NAME, b"no parquet", replaces=None)
    manifest.objects[0].bytes, manifest.objects[0].crc32c = 10, crc32c_of(b"no parquet")
    lake.write(name, manifest.model_dump_json().encode(), replaces=None)

    (layout,) = found_in(lake).layouts
    assert "cannot be read as the month's Parquet file" in layout.damage[0]


def test_a_month_replaced_meanwhile_is_looked_at_again(
    into_lake: Callable, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the manifest and the objects another load comes: one version is summed, and no damage reported."""
    lake = FolderLake(tmp_path / "lake")
    into_lake(lake, source, "green", "2023-12")
    fewer = tmp_path / "fewer.parquet"
    pq.write_table(pq.read_table(source).slice(1_000), fewer)
    sum_layout, looks = lake_totals._sum_layout, []

    def sum_after_another_load(*arguments):
        if not looks:
            into_lake(lake, fewer, "green", "2023-12", force=True)
        looks.append(1)
        return sum_layout(*arguments)

    monkeypatch.setattr(lake_totals, "_sum_layout", sum_after_another_load)
    found = found_in(lake)
    assert found.load.rows_loaded == 2_000
    assert [(layout.totals.rows, layout.damage) for layout in found.layouts] == [(2_000, ()), (2_000, ())]


def test_only_the_columns_needed_are_read(into_lake: Callable, source: Path) -> None:
    with GcsWire("lake") as wire:
        lake = gcs_lake(wire)
        big = source.with_name("big.parquet")
        write_parquet(GREEN, MONTH, big, 150_000, anomalies=False)
        into_lake(lake, big, "green", "2023-12", layouts={"unpartitioned"})
        asked = len(wire.requests)
        assert found_in(lake).layouts[0].totals.rows == 150_000
        reads = [call for call in wire.requests[asked:] if call.operation == "media" and "manifest" not in call.path]
        size = lake.find(NAME).bytes
        ranges = [call.headers["range"].removeprefix("bytes=").split("-") for call in reads]
        assert 1 < len(reads) <= 6
        assert sum(int(end) - int(start) + 1 for start, end in ranges) < size / 2
