"""Deploying for runs on other machines, with no Postgres that they could reach, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks.embedded import stop_postgres
from deployments.declared import declared_deployments
from tests.servers.prefect_process import PrefectServer


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """One without blocks of other tests."""
    running = PrefectServer(tmp_path_factory.mktemp("prefect-server"))
    running.start()
    yield running
    running.stop()


@pytest.mark.timeout(600)  # two times all deployments, each in a minute on a busy machine
def test_pool_elsewhere_gets_no_socket_of_this_machine(server: PrefectServer, tmp_path: Path) -> None:
    local = {"TLC_LOCAL_DIR": str(tmp_path), "TLC_LAKE_URL": "file:///tmp/lake"}
    arguments = ("-m", "deployments.apply", "--pool", "tlc-docker")

    try:
        done = server.run(*arguments, environment=local)
    finally:
        started = stop_postgres(tmp_path / "postgres")
    assert not started
    assert done.returncode == 0, done.stderr
    assert "Set TLC_POSTGRES_URL to a database that the runs reach" in done.stdout
    assert not (tmp_path / "postgres").exists()
    assert "tlc-postgres" not in {block["name"] for block in asked(server, "block_documents/filter")}
    deployed = {one["name"]: one for one in asked(server, "deployments/filter")}
    for name in ("sync-new-months", "reconcile", "backfill", "load-month"):
        assert deployed[name]["parameters"]["targets"] == ["gcs", "bigquery"], name
    assert {one["work_pool_name"] for one in deployed.values()} == {"tlc-docker"}
    assert deployed["reconcile"]["entrypoint"] == "flows/reconcile.py:reconcile"
    scheduled = {name for name, one in deployed.items() if one["schedules"]}
    assert scheduled == {"sync-new-months", "reconcile"}

    given = local | {"TLC_POSTGRES_URL": "postgresql://nobody@127.0.0.1:1/none"}
    again = server.run(*arguments, environment=given)

    assert again.returncode == 0, again.stderr
    assert "No Postgres" not in again.stdout
    for one in asked(server, "deployments/filter"):
        declared = declared_deployments()[one["name"]]
        assert one["parameters"] == declared.get("parameters", {}), one["name"]
        assert len(one["schedules"]) == len(declared["schedules"]), one["name"]


def asked(server: PrefectServer, path: str) -> list[dict[str, Any]]:
    """What the server has."""
    answer = httpx.post(f"{server.api_url}/{path}", json={}).raise_for_status()
    return list(answer.json())
