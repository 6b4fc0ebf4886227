"""A bucket into a DuckDB file: objects that are gone, replaced or no trips, and a server that breaks off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.load.lake.manifest import Manifest
from flows.tlc.errors import TargetBusy, TargetMismatch
from tests.integration.load.warehouse.lake_months import made_month
from tests.integration.load.warehouse.rigs import DuckDbFromBucketRig, duckdb_from_bucket_rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[DuckDbFromBucketRig]:
    with duckdb_from_bucket_rig(tmp_path) as rig:
        yield rig


@pytest.fixture
def loaded(rig: DuckDbFromBucketRig, tmp_path: Path) -> Manifest:
    """A newer version in the lake of a month that the warehouse has."""
    rig.load(rig.lake.write("green", "2020-10", made_month(tmp_path, "green", "2020-10", 300)))
    newer = made_month(tmp_path, "green", "2020-10", 500)
    return rig.lake.write("green", "2020-10", newer, etag="v2", layouts=["partitioned"])


def assert_as_it_was(rig: DuckDbFromBucketRig) -> None:
    assert rig.rows_by_month() == {"2020-10": 300}
    assert [row[2] for row in rig.ledger()] == [300]


def test_an_object_that_is_gone_leaves_the_month(rig: DuckDbFromBucketRig, loaded: Manifest) -> None:
    found = rig.bucket.find(loaded.objects[-1].name)
    rig.bucket.delete(found)
    with pytest.raises(TargetBusy, match=r"gs://lake/trips/.* is not there: .* Run again"):
        rig.load(loaded)
    assert_as_it_was(rig)


def test_an_object_of_the_same_bytes_written_again_is_not_the_manifests(
    rig: DuckDbFromBucketRig, loaded: Manifest
) -> None:
    name = loaded.objects[-1].name
    rig.bucket.write(name, rig.bucket.read(name), replaces=None)
    with pytest.raises(TargetBusy, match="is not the object that the manifest names"):
        rig.load(loaded)
    assert_as_it_was(rig)


def test_an_object_replaced_while_it_is_read_leaves_the_month(
    rig: DuckDbFromBucketRig, loaded: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, read = loaded.objects[-1].name, type(rig.bucket).read

    def read_after_it_was_cut(lake, wanted: str, **span):
        if wanted == name:
            lake.write(name, b"PAR1", replaces=None)
        return read(lake, wanted, **span)

    monkeypatch.setattr(type(rig.bucket), "read", read_after_it_was_cut)
    with pytest.raises(TargetBusy, match="was replaced while it was read"):
        rig.load(loaded)
    monkeypatch.undo()
    assert_as_it_was(rig)


def test_an_object_that_is_no_parquet_file_is_named(rig: DuckDbFromBucketRig, loaded: Manifest) -> None:
    item = loaded.objects[0]
    written = rig.bucket.write(item.name, b"no Parquet" * 20, replaces=None)
    now = item.model_copy(update={"bytes": written.bytes, "crc32c": written.crc32c, "generation": written.generation})
    with pytest.raises(TargetMismatch, match=rf"gs://lake/{item.name} is not as .* write the month anew"):
        rig.load(loaded.model_copy(update={"objects": [now, *loaded.objects[1:]]}))
    assert_as_it_was(rig)
