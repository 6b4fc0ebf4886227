"""A full disk under what a load writes meanwhile is named by its own folder, and a kill leaves nothing there."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from flows.load.lake.workspace import workspace
from flows.load.rejected_spill import rejected_spill
from flows.tlc.errors import TargetUnavailable
from flows.transform.rejected import REJECTED_SCHEMA

SPILL = """
import resource, sys
from pathlib import Path
from flows.load.lake.workspace import workspace
from flows.load.rejected_spill import rejected_spill
from flows.tlc.errors import TargetUnavailable
from tests.integration.load.lake.test_work_disk import many_rows
if len(sys.argv) > 3:
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    with rejected_spill(Path(sys.argv[1])) as spill, workspace(Path(sys.argv[2]), 0):
        for _ in range(3):
            spill.write(many_rows())
        print("written", flush=True)
        sys.stdin.read()
except TargetUnavailable as error:
    print(error)
"""
ROOT = Path(__file__).resolve().parents[4]


def many_rows() -> pa.RecordBatch:
    """Rejected rows of a megabyte."""
    columns = [
        pa.array(["x" * 1000] * 1000) if pa.types.is_string(field.type) else pa.nulls(1000, field.type)
        for field in REJECTED_SCHEMA
    ]
    return pa.RecordBatch.from_arrays(columns, schema=REJECTED_SCHEMA)


def spilling(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SPILL, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own, of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    try:
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_of_rejected_rows_is_named_and_not_another_one(small_disk: Path, tmp_path: Path) -> None:
    spilled = small_disk / "work"
    with (
        pytest.raises(TargetUnavailable, match=rf"the disk of {spilled} is full; .*set TLC_CACHE_DIR"),
        workspace(tmp_path / "elsewhere", 0),
        rejected_spill(spilled) as spill,
    ):
        for _ in range(3):
            spill.write(many_rows())
        list(spill.batches())
    assert list(spilled.iterdir()) == []
    with rejected_spill(spilled) as spill:  # and the space is free again
        spill.write(many_rows().slice(0, 10))
        assert sum(batch.num_rows for batch in spill.batches()) == 10


def test_a_limit_of_a_files_size_is_named_too(tmp_path: Path) -> None:
    process = spilling(tmp_path / "spilled", tmp_path / "work", "limited")
    said, _ = process.communicate("", timeout=120)
    assert f"the disk of {tmp_path / 'spilled'} is full" in said
    assert process.returncode == 0


def test_a_kill_leaves_nothing_of_the_rejected_rows(tmp_path: Path) -> None:
    process = spilling(tmp_path / "spilled", tmp_path / "work")
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    process.kill()
    process.communicate()
    assert list((tmp_path / "spilled").iterdir()) == []
    with workspace(tmp_path / "work", 0) as folder:
        assert [path.name for path in (tmp_path / "work").iterdir() if path.is_dir()] == [folder.name]


def test_what_could_not_be_removed_is_removed_by_the_next(tmp_path: Path) -> None:
    """As of a process with too many open files; also if a kill was before."""
    work = tmp_path / "work"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "rmtree", too_many_files)
        for _ in range(2):
            with workspace(work, 0) as folder:
                (folder / "part.parquet").touch()
    assert len([path for path in work.iterdir() if path.is_dir()]) == 2
    with workspace(work, 0) as folder:
        assert [path for path in work.iterdir() if path.is_dir()] == [folder]
    assert list(work.iterdir()) == []


def too_many_files(_folder: Path, *, ignore_errors: bool) -> None:
    if not ignore_errors:
        raise OSError(errno.EMFILE, "Too many open files")


def test_the_systems_temporary_folder_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    with rejected_spill(tmp_path / "work") as spill:
        spill.write(many_rows())
        assert [batch.num_rows for batch in spill.batches()] == [1000]


def test_a_place_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for opening in (rejected_spill(tmp_path / "file/x"), workspace(tmp_path / "file/x", 0)):
        with (
            pytest.raises(TargetUnavailable, match=r"file/x cannot be used .*Not a directory.*Set TLC_CACHE_DIR"),
            opening,
        ):
            pass
