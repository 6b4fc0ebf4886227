"""Whether a server is asked for a block: only where one could know it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.settings import (
    PREFECT_API_DATABASE_CONNECTION_URL,
    PREFECT_API_URL,
    get_current_settings,
    temporary_settings,
)
from prefect.settings.legacy import Setting

from blocks.names import LAKE, TLC_SOURCE, WAREHOUSE
from blocks.register import BUILDERS, load_block, load_duckdb_file
from blocks.saved import may_be_saved, server_would_start
from blocks.trip_data_source import TripDataSource
from blocks.warehouse import TripWarehouse
from tests.servers.prefect_process import PrefectServer

SAVED = "tlc-saved-once"


def without_api(database: str) -> dict[Setting, object]:
    return {PREFECT_API_URL: None, PREFECT_API_DATABASE_CONNECTION_URL: database}


def test_a_machine_that_never_ran_prefect_has_no_blocks_and_needs_no_server(tmp_path: Path) -> None:
    with temporary_settings(without_api(f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}")):
        assert not may_be_saved(TLC_SOURCE)
        assert not server_would_start(BUILDERS)
        assert load_block(TripDataSource, TLC_SOURCE) == BUILDERS[TLC_SOURCE]()
    assert list(tmp_path.iterdir()) == []


def test_prefects_own_database_is_looked_into(server: PrefectServer, tmp_path: Path) -> None:
    """The SQLite database of a real server: what is saved there may be found, and nothing else is asked for."""
    with server.as_client():
        TripDataSource(base_url="http://127.0.0.1:9").save(SAVED, overwrite=True)
    copy = tmp_path / "prefect.db"
    with sqlite3.connect(server.database) as there, sqlite3.connect(copy) as here:
        there.backup(here)
    with temporary_settings(without_api(f"sqlite+aiosqlite:///{copy}")):
        assert may_be_saved(SAVED)
        assert not may_be_saved("tlc-never-saved")
        assert server_would_start([LAKE, SAVED])
        assert not server_would_start(["tlc-never-saved"])


@pytest.mark.parametrize("database", ["postgresql+asyncpg://somebody@127.0.0.1:9/prefect", "sqlite+aiosqlite:///{}"])
def test_where_only_a_server_can_tell_it_is_asked(tmp_path: Path, database: str) -> None:
    strange = tmp_path / "other.db"
    sqlite3.connect(strange).execute("create table something (else_entirely text)")
    with temporary_settings(without_api(database.format(strange))):
        assert may_be_saved(LAKE)


def test_an_api_is_always_asked(prefect: None) -> None:
    assert may_be_saved("tlc-never-saved")
    assert not server_would_start(BUILDERS)


def test_a_duckdb_file_is_found_without_googles_libraries(prefect: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Saved, it wins over the environment's; they take a second of a process that needs none of them."""
    monkeypatch.setenv("TLC_WAREHOUSE_URL", "duckdb:///of/the/environment.duckdb")
    code = "import sys, flows.tasks.connect as t; print(t.open_warehouse().place, 'prefect_gcp' in sys.modules)"

    def opened() -> str:
        environment = os.environ | {"PREFECT_API_URL": str(get_current_settings().api.url)}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    try:
        assert "/of/the/environment.duckdb" in opened()
        TripWarehouse(duckdb_file=Path("/of/the/block.duckdb")).save(WAREHOUSE)
        assert opened().split()[-2:] == ["/of/the/block.duckdb", "False"]
        TripWarehouse(project="of-the-block").save(WAREHOUSE, overwrite=True)
        assert load_duckdb_file() is None
    finally:
        TripWarehouse.delete(WAREHOUSE)
