"""A folder as the lake, with several processes that load one month, and with files that cannot be read."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flows.load.crc32c import crc32c_of_file
from flows.load.lake.folder import FolderLake
from flows.load.lake.month import current_loads
from flows.load.lake.protocol import TEMPORARY, ObjectChanged
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetMismatch, TargetUnavailable
from tests.integration.load.lake.conftest import GREEN, Loader, assert_tidy, assert_true, gcs_lake
from tests.servers.gcs import GcsWire

ROOT = Path(__file__).resolve().parents[4]
STAGING = f"{TEMPORARY}trips/green/2023-12/"
LOADS = """
import sys
from pathlib import Path
from flows.load.lake.folder import FolderLake
from flows.tlc.errors import NewerLoad
from tests.integration.load.lake.conftest import Loader
name, lake, work, times, *sources = sys.argv[1:]
loader = Loader(FolderLake(Path(lake)), Path(work))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(times)):
    for source in sources:
        try:
            assert loader(Path(source), f"{name}-{number}-{Path(source).name}", force=True).status == "loaded"
        except NewerLoad:  # one that began later was faster
            pass
"""
STAGE = """
import sys
from pathlib import Path
from flows.load.lake.folder import FolderLake
lake, prefix = FolderLake(Path(sys.argv[1])), sys.argv[2]
with lake.staging(prefix):
    if len(sys.argv) > 3:
        lake.write(prefix + "new/trips/green/unpartitioned/sent.parquet", b"sent", replaces=None)
    print("ready", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Loader:
    return Loader(FolderLake(tmp_path / "lake"), tmp_path / "work")


@pytest.fixture
def start():
    processes = []

    def start_process(script: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", script, *map(str, arguments)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, **pipes)
        processes.append(process)
        return process

    yield start_process
    for process in processes:
        process.kill()
        process.communicate()


def test_loads_of_one_month_by_several_processes_all_succeed(folder: Loader, start, days_file) -> None:
    sources = [days_file(1, 2), days_file(2, 3), days_file(3, 4)]
    where = [folder.lake.root, folder.work_dir]
    processes = [start(LOADS, name, *where, 6, *sources) for name in ("one", "two", "three")]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        _, said = process.communicate(timeout=240)
        assert process.returncode == 0, said
    assert_tidy(folder.lake)
    assert folder.table().num_rows == folder.table("partitioned").num_rows
    assert list(folder.work_dir.iterdir()) == []


def test_what_a_load_that_lives_has_sent_stays_and_what_a_killed_one_sent_goes(
    folder: Loader, start, days_file
) -> None:
    folder(days_file(1), "v1")
    living, killed, idle = (
        start(STAGE, folder.lake.root, f"{STAGING}living/", "send"),
        start(STAGE, folder.lake.root, f"{STAGING}killed/", "send"),
        start(STAGE, folder.lake.root, f"{STAGING}idle/"),
    )
    for process in (living, killed, idle):
        assert process.stdout.readline() == "ready\n"
    for process in (killed, idle):
        process.kill()
        process.wait()

    folder(days_file(2), "v2")

    assert {name for name in folder.names() if name.startswith(TEMPORARY)} == {
        f"{STAGING}living/lock",
        f"{STAGING}living/new/trips/green/unpartitioned/sent.parquet",
    }
    assert sorted(path.name for path in folder.lake.path_of(STAGING).iterdir()) == ["living"]
    living.kill()
    living.wait()
    assert folder.find("v2").status == "unchanged"
    assert_tidy(folder.lake)
    assert not folder.lake.path_of(TEMPORARY).exists()


def test_ones_own_temporary_object_that_vanished_is_a_conflict(folder: Loader, days_file) -> None:
    lake, source = folder.lake, days_file(1)
    name = f"{STAGING}x/new/trips/y.parquet"
    sent = lake.upload(source, name, crc32c_of_file(source))
    lake.delete(sent)
    with pytest.raises(ObjectChanged):
        lake.copy(sent, "trips/y.parquet", replaces=None)


def test_listing_bears_what_others_do_meanwhile(tmp_path: Path) -> None:
    lake, done = FolderLake(tmp_path / "lake"), threading.Event()
    lake.write("trips/stays", b"x", replaces=None)

    def write_and_delete() -> None:
        while not done.is_set():
            lake.delete(lake.write(f"{STAGING}a/new/b", b"x", replaces=None))

    writer = threading.Thread(target=write_and_delete)
    writer.start()
    try:
        for _ in range(2_000):
            assert "trips/stays" in {item.name for item in lake.list("")}
    finally:
        done.set()
        writer.join()


def test_a_version_that_stands_is_not_failed_by_what_cannot_be_removed(
    wire: GcsWire, tmp_path: Path, days_file
) -> None:
    loader = Loader(gcs_lake(wire), tmp_path / "work")
    loader(days_file(1, 2), "v1")
    wire.fail("objects.delete", 403, times=2)  # of the day that v2 does not have, and of the turn's mark
    assert loader(days_file(2, 3), "v2").status == "loaded"
    assert assert_true(loader.lake).report.source_etag == "v2"
    assert any(name.startswith(TEMPORARY) for name in loader.names())
    assert loader.find("v2").status == "unchanged"
    assert_tidy(loader.lake)


MANIFEST = "manifests/green/2023-12.json"


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "x").touch()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_manifest_without_read_permission_is_named(folder: Loader, days_file) -> None:
    folder(days_file(1))
    folder.lake.path_of(MANIFEST).chmod(0)
    for ask in (folder.find, lambda: current_loads(folder.lake, Dataset.green), lambda: folder(days_file(2), "v2")):
        with pytest.raises(TargetUnavailable, match=r"2023-12\.json cannot be read: Permission denied\. Give"):
            ask()


def test_a_manifest_that_is_a_folder_is_named(folder: Loader, days_file) -> None:
    folder(days_file(1))
    make_a_folder(folder.lake.path_of(MANIFEST))
    for ask in (folder.find, lambda: folder(days_file(2), "v2")):
        with pytest.raises(TargetUnavailable, match=r"2023-12\.json cannot be read: Is a directory\."):
            ask()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"report": 1}', b"\xff"])
def test_a_manifest_that_is_none_is_named(folder: Loader, days_file, content: bytes) -> None:
    folder(days_file(1))
    folder.lake.path_of(MANIFEST).write_bytes(content)
    for ask in (folder.find, lambda: current_loads(folder.lake, Dataset.green), lambda: folder(days_file(2), "v2")):
        with pytest.raises(TargetMismatch, match=r"2023-12\.json is no manifest that this version reads: .*force=True"):
            ask()


def test_a_lake_whose_folder_is_a_file_is_named(tmp_path: Path, days_file) -> None:
    (tmp_path / "lake").write_text("not a folder")
    with pytest.raises(TargetUnavailable, match="cannot be written: "):
        Loader(FolderLake(tmp_path / "lake"), tmp_path / "work")(days_file(1), request=GREEN)
