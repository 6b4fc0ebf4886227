"""Deploying for runs on other machines, which do not reach what this one keeps in folders, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks.embedded_postgres import stop_postgres
from deployments.server.declared import declared_deployments
from tests.servers.prefect_process import PrefectServer


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """One without blocks of other tests."""
    with PrefectServer(tmp_path_factory.mktemp("prefect-server")) as running:
        yield running


@pytest.mark.timeout(600)  # three times all deployments, each in a minute on a busy machine
def test_pool_elsewhere_gets_nothing_of_this_machine(server: PrefectServer, tmp_path: Path) -> None:
    arguments, local = ("-m", "deployments.apply", "--pool", "tlc-docker"), {"TLC_LOCAL_DIR": str(tmp_path)}
    lake, warehouse = {"TLC_LAKE_URL": "file:///tmp/lake"}, {"TLC_WAREHOUSE_URL": "duckdb:////tmp/warehouse.duckdb"}
    postgres = {"TLC_POSTGRES_URL": "postgresql://nobody@127.0.0.1:1/none"}

    nothing = server.run(*arguments, environment=local)
    assert nothing.returncode == 1
    assert "Set TLC_POSTGRES_URL, or TLC_LAKE_URL and TLC_WAREHOUSE_URL, to what they reach" in nothing.stderr
    assert "Traceback" not in nothing.stderr

    try:
        done = server.run(*arguments, environment=local | lake | warehouse)
    finally:
        started = stop_postgres(tmp_path / "postgres")
    assert not started
    assert done.returncode == 0, done.stderr
    assert "Out of the runs' reach: postgres. Targets are gcs and bigquery" in done.stdout
    assert "not scheduled: build-models (postgres), green-taxi-etl." in done.stdout
    assert "Set TLC_POSTGRES_URL to what the runs reach" in done.stdout
    assert not (tmp_path / "postgres").exists()
    assert "tlc-postgres" not in blocks(server)
    deployed = {one["name"]: one for one in asked(server, "deployments/filter")}
    for name in ("sync-new-months", "reconcile", "backfill", "load-month"):
        assert deployed[name]["parameters"]["targets"] == ["gcs", "bigquery"], name
    assert {one["work_pool_name"] for one in deployed.values()} == {"tlc-docker"}
    assert deployed["reconcile"]["entrypoint"] == "flows/reconcile.py:reconcile"
    scheduled = {name for name, one in deployed.items() if one["schedules"]}
    assert scheduled == {"sync-new-months", "reconcile", "build-models"}
    (models,) = deployed["build-models"]["schedules"]
    assert models["parameters"] == {"target": "bigquery"}

    # The blocks of lake and warehouse are the server's now: they need not be said again.
    again = server.run(*arguments, environment=local | postgres)
    assert again.returncode == 0, again.stderr
    assert "Out of" not in again.stdout
    assert blocks(server)["tlc-lake"]["basepath"] == "/tmp/lake"
    for one in asked(server, "deployments/filter"):
        declared = declared_deployments()[one["name"]]
        assert one["parameters"] == declared.get("parameters", {}), one["name"]
        assert len(one["schedules"]) == len(declared["schedules"]), one["name"]


@pytest.mark.timeout(300)
def test_lake_of_this_machine_is_left_out_and_with_it_the_warehouse(server: PrefectServer, tmp_path: Path) -> None:
    given = {
        "TLC_LOCAL_DIR": str(tmp_path),
        "TLC_POSTGRES_URL": "postgresql://nobody@127.0.0.1:1/none",
        "TLC_WAREHOUSE_URL": "duckdb:////tmp/warehouse.duckdb",
    }
    done = server.run("-m", "deployments.apply", "--pool", "tlc-docker", environment=given)
    assert done.returncode == 0, done.stderr
    assert "Out of the runs' reach: gcs and bigquery. Targets are postgres" in done.stdout
    assert "not scheduled: build-models (bigquery), green-taxi-etl." in done.stdout
    assert "tlc-lake" not in blocks(server)
    assert not (tmp_path / "lake").exists()


def blocks(server: PrefectServer) -> dict[str, dict[str, Any]]:
    """What each saved block says, by its name."""
    return {block["name"]: block["data"] for block in asked(server, "block_documents/filter")}


def asked(server: PrefectServer, path: str) -> list[dict[str, Any]]:
    """What the server has."""
    answer = httpx.post(f"{server.api_url}/{path}", json={}).raise_for_status()
    return list(answer.json())
