"""The download cache stays within its bound and never removes what somebody needs."""

from __future__ import annotations

import os
import time

import pytest

from deployments.tlc_site.faults import Cut
from flows.extract.download import discard, prune
from flows.extract.download.cache import CacheSlot
from flows.tlc.errors import SourceUnavailable

FILES = {f"/misc/{name}.csv": f"{name},b\n".encode() * 1000 for name in ("one", "two", "three")}
BYTES = {path: len(content) for path, content in FILES.items()}


@pytest.fixture
def files(fetch, site):
    """Three files in the cache, by path; last used three, two and one hours ago, in this order."""
    paths = {}
    for hours, (path, content) in zip((3, 2, 1), FILES.items(), strict=True):
        site.put(path, content)
        paths[path] = fetch(path).path
        age(paths[path], hours)
    return paths


def age(path, hours: float) -> None:
    os.utime(path, (time.time() - hours * 3600,) * 2)


def present(files) -> list[str]:
    return [path.rpartition("/")[2] for path, file in files.items() if file.exists()]


def test_prune_removes_the_least_recently_used_first(files, cache):
    total = sum(BYTES.values())
    assert prune(cache, total) == 0
    assert prune(cache, total - 1) == BYTES["/misc/one.csv"]
    assert present(files) == ["two.csv", "three.csv"]
    assert prune(cache, 0) == total - BYTES["/misc/one.csv"]
    assert present(files) == []
    assert not list(cache.glob("*/*.json"))


def test_using_a_file_keeps_it(files, fetch, cache):
    fetch("/misc/one.csv")
    prune(cache, BYTES["/misc/one.csv"])
    assert present(files) == ["one.csv"]


def test_prune_spares_what_was_used_just_now(files, cache):
    age(files["/misc/three.csv"], 0)
    prune(cache, 0)
    assert present(files) == ["three.csv"]
    prune(cache, 0, spare_seconds=0)
    assert present(files) == []


def test_prune_spares_what_is_locked(files, cache):
    with CacheSlot(files["/misc/one.csv"]).lock():
        prune(cache, BYTES["/misc/one.csv"])
    assert present(files) == ["one.csv"]


def test_prune_removes_parts_that_nobody_came_back_for(fetch, site, cache):
    site.put("/misc/one.csv", FILES["/misc/one.csv"])
    site.fail("/misc/one.csv", Cut(100), Cut(0), Cut(0), Cut(0))
    with pytest.raises(SourceUnavailable):
        fetch("/misc/one.csv")
    (part,) = cache.glob("*/*.part")
    age(part, 1)
    assert prune(cache, 0) == 100
    assert not part.exists()


def test_prune_touches_nothing_that_is_not_the_caches_own(files, cache):
    foreign = cache / "project" / "uv"
    foreign.parent.mkdir()
    for path in (foreign, foreign.with_name("uv.lock")):
        path.write_text("precious")
        age(path, 100)
    prune(cache, 0)
    assert foreign.read_text() == "precious"


def test_prune_of_a_folder_that_is_not_there_does_nothing(cache):
    assert prune(cache, 0) == 0


def test_a_download_prunes_first_so_that_the_new_file_fits(files, fetch, site):
    site.put("/misc/four.csv", b"four,b\n" * 100)
    fetch("/misc/four.csv", keep_bytes=BYTES["/misc/two.csv"] + BYTES["/misc/three.csv"] + 700)
    assert present(files) == ["two.csv", "three.csv"]


def test_a_cache_hit_prunes_nothing(files, fetch):
    fetch("/misc/one.csv", keep_bytes=0)
    assert present(files) == ["one.csv", "two.csv", "three.csv"]


def test_a_discarded_file_is_downloaded_again(files, fetch):
    discard(files["/misc/one.csv"], fetch("/misc/one.csv").etag)
    assert fetch("/misc/one.csv").bytes_read == BYTES["/misc/one.csv"]
