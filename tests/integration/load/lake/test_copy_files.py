"""deployments/containers/copy_files.sh: a copy of lake and DuckDB file that is taken while others write both."""

from __future__ import annotations

import io
import itertools
import os
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import duckdb

from deployments.server.declared import PROJECT
from flows.load.duckdb.file import DuckDbFile
from flows.load.lake.folder import FolderLake
from tests.integration.load.lake.conftest import Loader, assert_true

SCRIPT = PROJECT / "deployments" / "containers" / "copy_files.sh"
COPIES = 12


@contextmanager
def again_and_again(action: Callable[[int], object]) -> Iterator[None]:
    """Call it in a thread, with 0, 1, 2 …, until this is left; what it raises is raised."""
    over = threading.Event()

    def repeat() -> None:
        for number in itertools.count():
            if over.is_set():
                return
            action(number)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(repeat)
        try:
            yield
        finally:
            over.set()
        running.result()


def copy(folder: Path, to: Path) -> None:
    """The script's tar of ``folder``, unpacked."""
    surroundings = os.environ | {"TLC_LOCAL_DIR": str(folder)}
    done = subprocess.run(["sh", SCRIPT], env=surroundings, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(to, filter="data")


def test_every_copy_of_the_lake_is_of_one_moment(tmp_path: Path, days_file: Callable[..., Path]) -> None:
    """While a month is replaced as fast as that goes, and its days with it."""
    folder, sources = tmp_path / "data", [days_file(1, 3), days_file(2, 4)]
    load = Loader(FolderLake(folder / "lake"), tmp_path / "work")
    load(sources[1])

    with again_and_again(lambda number: load(sources[number % 2], f"v{number}", force=True)):
        for number in range(COPIES):
            copy(folder, tmp_path / str(number))

    for number in range(COPIES):
        assert_true(FolderLake(tmp_path / str(number) / "lake"))
    assert not list(folder.glob("backup-*"))


def test_what_a_killed_load_kept_of_the_old_version_is_copied(tmp_path: Path) -> None:
    """Its manifest names it."""
    kept = "lake/.tmp/trips/green/2023-12/load/old/trips/green/unpartitioned/green_tripdata_2023-12.parquet"
    sent = kept.replace("/old/", "/new/")
    for name in (kept, sent):
        (tmp_path / "data" / name).parent.mkdir(parents=True)
        (tmp_path / "data" / name).write_bytes(b"-")
    copy(tmp_path / "data", tmp_path / "copy")
    assert (tmp_path / "copy" / kept).exists()
    assert not (tmp_path / "copy" / sent).exists()


def test_the_duckdb_file_is_copied_when_a_load_into_it_has_ended(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    warehouse = DuckDbFile(folder / "warehouse.duckdb", wait=60, poll=0.1)
    with ThreadPoolExecutor(1) as pool:
        with warehouse.locked(), warehouse.open({}) as connection:
            connection.execute("create table trips as select 1 as n")
            copied = pool.submit(copy, folder, tmp_path / "copy")
            while not list(folder.glob("backup-*")):
                assert not copied.done(), copied.result()
                time.sleep(0.01)
            connection.execute("insert into trips select range from range(1_000_000)")
        copied.result()
    with duckdb.connect(tmp_path / "copy" / "warehouse.duckdb", read_only=True) as connection:
        assert connection.execute("select count(*) from trips").fetchone() == (1_000_001,)


def test_nothing_is_copied_if_lake_and_warehouse_are_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    copy(tmp_path / "data", tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").rglob("*") if path.suffix != ".lock"] == []
