"""Downloads survive what happens to processes and disks: kill -9, two at once, no space left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deployments.tlc_site.faults import NoLength, Throttle
from flows.extract.download import SourceFile
from flows.tlc.errors import TargetUnavailable

PARQUET = "/trip-data/green_tripdata_2023-12.parquet"
OTHER_PARQUET = "/trip-data/green_tripdata_2020-12.parquet"

DOWNLOAD = """
import sys
from pathlib import Path

import httpx

from flows.extract.download import download, find_file

url, cache = sys.argv[1], Path(sys.argv[2])
with httpx.Client() as client:
    file = find_file(client, url, url)
    print("found", flush=True)
    sys.stdin.readline()
    got = download(client, file, cache, keep_bytes=1024**3)
    print(got.path, got.bytes_read, flush=True)
"""

DOWNLOAD_WITH_LITTLE_SPACE = """
import resource
import sys
from pathlib import Path

import httpx

from flows.extract.download import download, find_file
from flows.tlc.errors import TargetUnavailable

url, cache = sys.argv[1], Path(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
with httpx.Client() as client:
    try:
        download(client, find_file(client, url, url), cache, keep_bytes=1024**3)
    except TargetUnavailable as error:
        print(error)
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def downloader(site, cache):
    """Starts processes that have found the file and wait for a word to download it."""
    processes = []

    def start_downloader() -> subprocess.Popen[str]:
        processes.append(start(DOWNLOAD, site.url + PARQUET, cache))
        return processes[-1]

    yield start_downloader
    for process in processes:
        process.kill()
        process.communicate()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdout.readline() == "found\n"
    process.stdin.write("\n")
    process.stdin.flush()


def wait_for_part(cache: Path, bytes_on_disk: int) -> Path:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for part in cache.glob("*/*.part"):
            if part.stat().st_size >= bytes_on_disk:
                return part
        time.sleep(0.005)
    raise AssertionError(f"no part of {bytes_on_disk} bytes in {cache}")


def test_a_killed_process_loses_nothing_that_had_arrived(fetch, site, cache, downloader, parquet):
    site.fail(PARQUET, Throttle(2_000_000))
    process = downloader()
    go(process)
    part = wait_for_part(cache, 400_000)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = part.stat().st_size
    site.forget_requests()

    got = fetch(PARQUET)

    assert got.path.read_bytes() == parquet
    assert got.bytes_read == len(parquet) - kept
    assert [(r.range, r.if_range, r.status, r.bytes_sent) for r in site.requests if r.method == "GET"] == [
        (f"bytes={kept}-", got.etag, 206, len(parquet) - kept)
    ]


def test_a_process_waits_for_another_that_is_killed_and_goes_on_in_its_place(site, cache, downloader, parquet):
    site.fail(PARQUET, Throttle(2_000_000))
    first, second = downloader(), downloader()
    go(first)
    wait_for_part(cache, 200_000)
    go(second)
    os.kill(first.pid, signal.SIGKILL)
    path, bytes_read = second.stdout.readline().split()
    assert Path(path).read_bytes() == parquet
    assert 0 < int(bytes_read) <= len(parquet) - 200_000


def test_two_processes_at_once_download_once(site, gets, cache, downloader, parquet):
    site.fail(PARQUET, Throttle(4_000_000))
    processes = [downloader(), downloader()]
    for process in processes:
        go(process)
    results = [process.stdout.readline().split() for process in processes]
    assert len({path for path, _ in results}) == 1
    assert sorted(int(bytes_read) for _, bytes_read in results) == [0, len(parquet)]
    assert [sent for *_, sent in gets()] == [len(parquet)]


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own, of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_too_small_is_noticed_before_the_download(fetch, gets, small_disk):
    fetch.cache = small_disk
    with pytest.raises(TargetUnavailable, match=r"needs 1\.5 MB .* has 1\.0 MB free\. .*set TLC_CACHE_DIR") as error:
        fetch(PARQUET)
    assert error.value.url == fetch.base + PARQUET
    assert gets() == []


def test_a_disk_that_fills_up_is_named_and_set_free_again(fetch, site, small_disk):
    fetch.cache = small_disk
    site.fail(PARQUET, NoLength())
    with pytest.raises(TargetUnavailable, match=r"No space left on device\. .*set TLC_CACHE_DIR"):
        fetch.download(SourceFile(fetch.base + PARQUET, None, None, None))
    assert sum(path.stat().st_size for path in small_disk.rglob("*") if path.is_file()) == 0


def test_older_files_make_room_on_a_full_disk(fetch, site, small_disk):
    fetch.cache = small_disk
    site.put("/misc/old.csv", b"a,b\n" * 100_000)
    site.put("/misc/older.csv", b"a,b\n" * 100_000)
    site.put("/misc/new.csv", b"c,d\n" * 100_000)
    paths = [fetch(f"/misc/{name}.csv").path for name in ("older", "old")]
    for age, path in ((4000, paths[0]), (3000, paths[1])):
        os.utime(path, (time.time() - age,) * 2)
    assert fetch("/misc/new.csv").path.exists()
    assert [path.exists() for path in paths] == [False, True]


def test_a_file_size_limit_is_named_too(site, cache):
    process = start(DOWNLOAD_WITH_LITTLE_SPACE, site.url + PARQUET, cache)
    message, _ = process.communicate()
    assert "File too large" in message
    assert "set TLC_CACHE_DIR" in message
    assert not list(cache.glob("*/*.part"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(fetch, cache):
    cache.mkdir()
    cache.chmod(0o500)
    with pytest.raises(TargetUnavailable, match=r"Permission denied\. Set TLC_CACHE_DIR"):
        fetch(PARQUET)


def test_a_cache_that_is_a_file_is_named(fetch, cache):
    cache.write_text("not a folder")
    with pytest.raises(TargetUnavailable, match=r"Not a directory\. Set TLC_CACHE_DIR"):
        fetch(PARQUET)
