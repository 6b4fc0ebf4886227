"""Folders with characters that mean something in URLs, SQL or globs: lake and warehouse are there and nowhere else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from prefect.filesystems import LocalFileSystem

from blocks.lake import bucket_block, gcp_credentials
from blocks.lake_url import FOLDER, lake_kind
from blocks.names import LAKE, WAREHOUSE
from blocks.register import BUILDERS, load_duckdb_file
from blocks.warehouse_url import duckdb_path
from flows.load.duckdb.month import DuckDbWarehouse
from flows.load.lake.folder import FolderLake
from flows.tasks.connect import open_lake
from flows.tlc.dataset import Dataset
from flows.tlc.errors import ParameterError, TargetBusy, TargetUnavailable
from flows.tlc.urls import path_to_url, url_to_path
from tests.integration.load.warehouse.lake_months import WrittenLake, folder_put, made_month
from tests.integration.load.warehouse.rigs import DuckDbRig

ODD = ["c#", "a b", "q?x", "100%", "a%20b", "é", "it's", 'd"q', "[ab]", "s*", "{a,b}", "x=1", "$HOME", "blocks.lock"]
# What a glob of the odd name would find too, or what would be left of it as a URL.
NEIGHBOURS = ["c", "a", "sx", "q1x", "a%2520b"]


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_month(tmp_path_factory.mktemp("months"), "green", "2020-10", 300)


@pytest.mark.parametrize("name", ODD)
def test_months_come_from_and_go_to_just_that_folder(tmp_path: Path, file: Path, name: str) -> None:
    lake = WrittenLake(path_to_url(tmp_path / name / "lake"), folder_put(tmp_path / name / "lake"))
    month = lake.write("green", "2020-10", file, layouts=["unpartitioned", "partitioned"])
    for neighbour in NEIGHBOURS:
        shutil.copytree(tmp_path / name, tmp_path / neighbour)
    file = tmp_path / (name if "?" not in name else "a") / "w.duckdb"  # DuckDB itself cannot have the mark in its path
    rig = DuckDbRig(lake, DuckDbWarehouse(file, wait=20))
    assert rig.load(month).rows_loaded == 300
    assert rig.query("select count(*) from {schema}.green_trips") == [(300,)]
    assert rig.warehouse.create_lake_table(Dataset.green, rig.lake.url) == "tlc.green_trips_lake"
    ((rows,),) = rig.query("select count(*) from {schema}.green_trips_lake")
    assert rows == 300
    assert file.is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({name, *NEIGHBOURS})


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("written", ["as it is", "as a URL"])
def test_a_variable_means_the_folder_that_people_see(
    prefect: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, written: str
) -> None:
    lake, file = tmp_path / name / "lake", tmp_path / name / "w.duckdb"
    if written == "as it is" and "%20" in name:
        pytest.skip("that is how a URL writes a blank")
    as_url = written == "as a URL"
    monkeypatch.setenv("TLC_LAKE_URL", path_to_url(lake) if as_url else f"file://{lake}")
    monkeypatch.setenv("TLC_WAREHOUSE_URL", path_to_url(file, "duckdb") if as_url else f"duckdb://{file}")
    assert lake_kind(os.environ["TLC_LAKE_URL"]) == FOLDER
    assert BUILDERS[LAKE]().basepath == str(lake)
    if "?" in name:
        with pytest.raises(ParameterError, match=r"q\?x.*Choose a path without it"):
            load_duckdb_file()
    else:
        assert BUILDERS[WAREHOUSE]().duckdb_file == load_duckdb_file() == file
    found = open_lake()
    assert isinstance(found, FolderLake)
    assert found.root == lake == url_to_path(found.url)


@pytest.mark.parametrize(("name", "says"), [("a\\b.duckdb", "without it"), ("tlc.duckdb", "another file name")])
def test_a_name_that_duckdb_reads_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, says: str) -> None:
    with pytest.raises(ParameterError, match=says):
        duckdb_path(f"duckdb:///srv/{name}")


def test_saved_blocks_and_the_default_mean_it_too(
    prefect: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = tmp_path / "c#%41 é"
    monkeypatch.setenv("TLC_LOCAL_DIR", str(local))
    for variable in ("TLC_LAKE_URL", "TLC_WAREHOUSE_URL"):
        monkeypatch.delenv(variable, raising=False)
    for name in (LAKE, WAREHOUSE):
        BUILDERS[name]().save(name, overwrite=True)
    try:
        monkeypatch.setenv("TLC_LOCAL_DIR", str(tmp_path / "another"))
        assert open_lake().root == local / "lake"
        assert load_duckdb_file() == local / "warehouse.duckdb"
    finally:
        LocalFileSystem.delete(LAKE)
        type(BUILDERS[WAREHOUSE]()).delete(WAREHOUSE)


HOLDER = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


@pytest.mark.parametrize("name", ["blocks", "Could not set lock on file"])
def test_only_a_file_that_another_process_has_open_is_waited_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "lock.duckdb"
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(TargetUnavailable, match="not a valid DuckDB database file"):
        DuckDbWarehouse(path, wait=600).read_loads(Dataset.green)  # longer than a test may take

    path.unlink()
    duckdb.connect(path).close()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(TargetBusy, match="Could not set lock on file"):
            DuckDbWarehouse(path, wait=0.5).read_loads(Dataset.green)
        holder.communicate("")
    assert DuckDbWarehouse(path, wait=20).read_loads(Dataset.green) == {}
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("prefix", ["c#/x", "q?x", "a%20b", "a b", "é"])
def test_a_prefix_in_a_bucket_is_taken_as_it_is(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    block = bucket_block(f"gs://bucket/{prefix}/", gcp_credentials(None, None))
    assert (block.bucket, block.bucket_folder.rstrip("/")) == ("bucket", prefix)
