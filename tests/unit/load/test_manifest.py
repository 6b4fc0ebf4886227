"""A manifest of a stranger's: what it names is below the lake, or it is no manifest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.load.lake.folder import FolderLake
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetMismatch
from flows.tlc.locations import lake_object, manifest_object
from flows.tlc.month import Month

MONTH = Month(2020, 12)


@pytest.fixture
def plant(tmp_path: Path) -> Callable[[str], FolderLake]:
    """A lake with a manifest whose one object has the given name."""

    def write(name: str) -> FolderLake:
        report = {
            "dataset": "green", "month": "2020-12", "source": "tlc", "target": "gcs", "source_url": "http://x",
            "status": "loaded",
        }  # fmt: skip
        item = {"layout": "unpartitioned", "name": name, "rows": 1, "bytes": 1, "crc32c": "AAAAAA=="}
        manifest = {
            "report": report, "content_key": "k", "conform_version": "1", "columns": [], "objects": [item],
            "written_at": "2026-11-30T00:00:00Z",
        }  # fmt: skip
        path = tmp_path / "lake" / manifest_object(Dataset.green, MONTH)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(manifest))
        return FolderLake(tmp_path / "lake")

    return write


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../secret.txt", "trips/../../secret.txt", "trips//x", "./x", "", ".tmp/..", "trips/\x00", "x/"],
)
def test_name_outside_the_lake_is_refused(plant: Callable[[str], FolderLake], name: str) -> None:
    with pytest.raises(TargetMismatch, match="is no name below the lake") as refused:
        plant(name).read_manifest(Dataset.green, MONTH)
    assert "\x00" not in str(refused.value)


def test_own_name_is_taken(plant: Callable[[str], FolderLake]) -> None:
    name = lake_object(Dataset.green, MONTH)
    manifest = plant(name).read_manifest(Dataset.green, MONTH)
    assert manifest and [item.name for item in manifest.objects] == [name]
