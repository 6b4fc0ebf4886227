"""Registering on a server that others use: a shell without their variables takes nothing from them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from blocks.embedded_postgres import stop_postgres
from tests.servers.prefect_process import PrefectServer

GIVEN = {
    "TLC_POSTGRES_URL": "postgresql://tlc:secret@db.example:5432/trips",
    "TLC_LAKE_URL": "file:///srv/lake",
    "TLC_WAREHOUSE_URL": "duckdb:////srv/warehouse.duckdb",
    "TLC_SOURCE_URL": "http://127.0.0.1:1/source",
}


def data(server: PrefectServer) -> dict[str, dict]:
    answer = httpx.post(f"{server.api_url}/block_documents/filter", json={}).raise_for_status().json()
    return {block["name"]: block["data"] for block in answer}


@pytest.mark.timeout(300)
def test_blocks_stay_where_their_variable_is_not_set(server: PrefectServer, tmp_path: Path) -> None:
    local = {"TLC_LOCAL_DIR": str(tmp_path)}
    first = server.run("-m", "blocks.register", environment=local | GIVEN)
    assert first.returncode == 0, first.stderr
    before = data(server)
    assert before["tlc-postgres"]["connection_info"]["host"] == "db.example"

    other = server.run(
        "-m", "blocks.register", environment=local | {"TLC_WAREHOUSE_URL": "duckdb:////srv/other.duckdb"}
    )
    assert other.returncode == 0, other.stderr
    assert "tlc-postgres stays as it is: TLC_POSTGRES_URL is not set (--defaults saves the default)" in other.stdout
    after = data(server)
    assert after["tlc-warehouse"]["duckdb_file"] == "/srv/other.duckdb"
    for name in ("tlc-postgres", "tlc-lake", "tlc-source", "mirror-source"):
        assert after[name] == before[name], name
    assert not (tmp_path / "postgres").exists()

    try:
        defaults = server.run("-m", "blocks.register", "--defaults", environment=local)
    finally:
        started = stop_postgres(tmp_path / "postgres")
    assert defaults.returncode == 0, defaults.stderr
    assert started
    assert data(server)["tlc-lake"]["basepath"] == str(tmp_path / "lake")
