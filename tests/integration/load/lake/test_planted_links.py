"""Somebody else may write to the lake's folder, and has put links there that lead to another file of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.tlc_site.synthetic.months import write_parquet
from flows.load.lake.folder import FolderLake
from flows.tlc.errors import TargetUnavailable
from flows.tlc.locations import lake_object, manifest_object
from tests.integration.load.lake.conftest import GREEN, Loader


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    file = tmp_path / "home" / "precious"
    file.parent.mkdir()
    file.write_bytes(b"precious")
    return file


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    write_parquet(GREEN.dataset, GREEN.month, tmp_path / "source.parquet", 1_000)
    (tmp_path / "work").mkdir()
    return Loader(FolderLake(tmp_path / "lake"), tmp_path / "work")


def test_objects_and_manifest_replace_links_and_no_file_behind_them(load: Loader, precious: Path, tmp_path) -> None:
    load(tmp_path / "source.parquet")
    names = [manifest_object(GREEN.dataset, GREEN.month), lake_object(GREEN.dataset, GREEN.month)]
    paths = [load.lake.path_of(name) for name in names]
    kept = {}
    for path in paths:
        elsewhere = path.rename(precious.with_name(path.name))
        path.symlink_to(elsewhere)
        kept[elsewhere] = elsewhere.read_bytes()
    unfinished = load.lake.path_of(".tmp/unfinished")
    unfinished.rmdir()
    unfinished.symlink_to(precious.parent)
    assert load(tmp_path / "source.parquet", etag="v2").status == "loaded"
    assert {path: path.read_bytes() for path in precious.parent.iterdir()} == kept | {precious: b"precious"}
    assert [path.is_symlink() for path in paths] == [False, False]


def test_lock_that_is_a_link_is_refused_in_words(load: Loader, precious: Path, tmp_path) -> None:
    load.lake.root.mkdir()
    (load.lake.root / ".lock").symlink_to(precious)
    with pytest.raises(TargetUnavailable, match=r"/\.lock cannot be written: .*symbolic links"):
        load(tmp_path / "source.parquet")
    assert precious.read_bytes() == b"precious"
