"""Somebody else may write to the cache's folder, and has put links there that lead to another file of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.extract.download.cache import CacheSlot
from flows.tlc.errors import TargetUnavailable

URL = "/misc/one.csv"
CONTENT = b"one,two\n" * 1000


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    file = tmp_path / "precious"
    file.write_bytes(b"precious")
    return file


@pytest.mark.parametrize("ending", ["", ".json", ".tmp", ".part", ".part.json", ".part.tmp"])
def test_file_behind_a_link_stays_and_the_download_is_right(fetch, site, cache, ours, ending) -> None:
    site.put(URL, CONTENT)
    slot = CacheSlot.of(cache, f"{site.url}{URL}")
    slot.path.parent.mkdir(parents=True)
    link = Path(f"{slot.path}{ending}")
    link.symlink_to(ours)
    assert fetch(URL).path.read_bytes() == CONTENT
    assert ours.read_bytes() == b"precious"
    assert not link.is_symlink()


def test_part_that_became_a_link_is_not_resumed(fetch, site, cache, ours) -> None:
    """With the true note beside it, which says that the rest may be appended."""
    site.put(URL, CONTENT)
    whole = fetch(URL).path
    Path(f"{whole}.json").rename(f"{whole}.part.json")
    whole.unlink()
    CacheSlot(whole).part.symlink_to(ours)
    assert fetch(URL).path.read_bytes() == CONTENT
    assert ours.read_bytes() == b"precious"


def test_lock_or_folder_that_is_a_link_is_refused_in_words(fetch, site, cache, ours) -> None:
    site.put(URL, CONTENT)
    slot = CacheSlot.of(cache, f"{site.url}{URL}")
    lock = Path(f"{slot.path}.lock")
    lock.parent.mkdir(parents=True)
    lock.symlink_to(ours)
    with pytest.raises(TargetUnavailable, match=r"cannot be kept in the download cache .*symbolic links"):
        fetch(URL)
    lock.unlink()
    lock.parent.rmdir()
    lock.parent.symlink_to(ours.parent)
    with pytest.raises(TargetUnavailable, match=r"cannot be kept in the download cache .* is a link"):
        fetch(URL)
    assert ours.read_bytes() == b"precious"
    assert {path.name for path in ours.parent.glob("one.csv*")} <= {"one.csv.lock"}
