"""What a load reads is the version that its ledger will name, whatever happens to the cache meanwhile."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deployments.tlc_site.faults import Throttle
from flows.extract.download import discard
from flows.extract.download.cache import CacheSlot
from flows.extract.read.cached_file import open_cached
from flows.tasks.month_file import opened
from flows.tlc.errors import SourceUnavailable, TargetUnavailable

PARQUET = "/trip-data/green_tripdata_2023-12.parquet"
OTHER_PARQUET = "/trip-data/green_tripdata_2020-12.parquet"
CSV = "/green/green_tripdata_2020-12.csv.gz"
ROWS = {PARQUET: 64_215, OTHER_PARQUET: 83_130}

DOWNLOAD = """
import sys
from pathlib import Path
import httpx
from flows.extract.download import download, find_file
url, cache = sys.argv[1], Path(sys.argv[2])
with httpx.Client() as client:
    download(client, find_file(client, url, url), cache, keep_bytes=1024**3)
"""


@pytest.fixture(autouse=True)
def settings(monkeypatch, cache):
    monkeypatch.setenv("TLC_CACHE_DIR", str(cache))


@pytest.fixture
def republished(tlc):
    return (tlc / "cdn" / OTHER_PARQUET.lstrip("/")).read_bytes()


@pytest.fixture
def downloaded(fetch):
    file = fetch.find(PARQUET)
    return file, fetch.download(file)


def test_the_cached_version_is_opened_without_a_request(downloaded, site):
    site.forget_requests()
    with opened(*downloaded) as (trip_file, version):
        assert trip_file.rows == ROWS[PARQUET]
    assert version is downloaded[1]
    assert site.requests == []


def test_another_runs_newer_version_is_read_under_its_own_name(downloaded, fetch, site, republished):
    site.put(PARQUET, republished)
    put_at = datetime.now(UTC)
    newer = fetch(PARQUET)
    with opened(*downloaded) as (trip_file, version):
        assert trip_file.rows == ROWS[OTHER_PARQUET]
    assert version.etag == newer.etag != downloaded[1].etag
    assert (version.length, version.bytes_read) == (len(republished), downloaded[1].bytes_read)
    assert version.rechecked_at > put_at


@pytest.mark.parametrize("lost", ["file", "note", "folder", "cache", "discarded"])
def test_a_file_that_left_the_cache_is_downloaded_again(downloaded, cache, parquet, lost):
    path = downloaded[1].path
    if lost == "file":
        path.unlink()
    elif lost == "note":
        path.with_name(f"{path.name}.json").unlink()
    elif lost == "discarded":
        discard(path, downloaded[1].etag)
    else:
        shutil.rmtree(cache if lost == "cache" else path.parent)
    with opened(*downloaded) as (trip_file, version):
        assert sum(batch.num_rows for batch in trip_file.batches()) == ROWS[PARQUET]
    assert (version.etag, version.bytes_read) == (downloaded[1].etag, 2 * len(parquet))


@pytest.mark.parametrize("path", [PARQUET, CSV])
def test_what_is_open_is_read_to_its_end_though_it_is_replaced_and_removed(fetch, site, republished, tlc, path):
    file = fetch.find(path)
    downloaded = fetch.download(file)
    with opened(file, downloaded) as (trip_file, _version):
        batches = trip_file.batches()
        rows = next(batches).num_rows
        site.put(path, (tlc / "mirror" / CSV.lstrip("/")).read_bytes() + bytes(8) if path == CSV else republished)
        newer = fetch(path)
        assert newer.bytes_read
        discard(downloaded.path, downloaded.etag)
        assert downloaded.path.exists(), "another version is not discarded"
        discard(downloaded.path, newer.etag)
        rows += sum(batch.num_rows for batch in batches)
    assert rows == (ROWS[PARQUET] if path == PARQUET else 83_130)


def test_waits_for_a_process_that_downloads_a_newer_version(downloaded, cache, site, republished):
    site.put(PARQUET, republished)
    site.fail(PARQUET, Throttle(4_000_000))
    process = subprocess.Popen([sys.executable, "-c", DOWNLOAD, site.url + PARQUET, str(cache)])
    deadline = time.monotonic() + 60
    while not list(cache.glob("*/*.part")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.005)
    with opened(*downloaded) as (trip_file, version):
        assert trip_file.rows == ROWS[OTHER_PARQUET]
    assert version.etag != downloaded[1].etag
    assert process.wait() == 0


def test_a_source_that_withdrew_the_file_is_named(downloaded, site):
    site.remove(PARQUET)
    discard(downloaded[1].path, downloaded[1].etag)
    with (
        pytest.raises(SourceUnavailable, match="neither in the download cache any more, nor does the source give it"),
        opened(*downloaded),
    ):
        pass


def test_a_cache_that_became_a_file_is_named(downloaded, cache):
    shutil.rmtree(cache)
    cache.write_text("not a folder")
    with pytest.raises(TargetUnavailable, match="Set TLC_CACHE_DIR"), opened(*downloaded):
        pass


def test_opening_leaves_nothing_behind(downloaded, cache):
    before = sorted(cache.rglob("*"))
    with opened(*downloaded):
        assert sorted(cache.rglob("*")) == before


def test_another_file_of_the_same_length_is_another_version(fetch, tmp_path):
    """As after a copy by hand of a cache: the note decides, and where it is another's the file is not read."""
    got = fetch(PARQUET)
    with ExitStack() as stack:
        assert open_cached(stack, got.path, "another") is None
        assert open_cached(stack, got.path, got.etag) is not None
        os.truncate(got.path, 1000)
        assert open_cached(stack, got.path, got.etag) is None
    pq.write_table(pa.table({"a": [1]}), tmp_path / "x.parquet")
    assert open_cached(ExitStack(), tmp_path / "x.parquet") is None


def test_the_lock_is_free_while_a_load_reads(downloaded):
    with opened(*downloaded), CacheSlot(downloaded[1].path).lock(wait=False):
        pass
