"""What Prefect Cloud asks of a client, on loopback: a key at each request, and no word of it in what is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deployments.server.declared import declared_deployments
from tests.servers.prefect_process import PrefectServer
from tests.servers.prefect_stand_in import prefect_stand_in

KEY = "pnu_canary0123456789"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """One that takes any key, and that clients hold for Prefect Cloud."""
    with PrefectServer(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.mark.parametrize("login", ["", "tlc:canary"])
def test_key_is_sent_unless_there_is_a_login(server: PrefectServer, login: str) -> None:
    """docker-compose.prefect-cloud.yml empties the login for that."""
    with prefect_stand_in(GET=401) as stand_in:
        given = {"PREFECT_API_URL": stand_in.api_url, "PREFECT_API_KEY": KEY, "PREFECT_API_AUTH_STRING": login}
        done = server.run("-m", "deployments.work_pools", environment=given)
    assert stand_in.asked == ["GET /api/work_pools/tlc-process"]
    assert (stand_in.logins == [f"Bearer {KEY}"]) is (login == "")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Prefect's server at {stand_in.api_url.removesuffix('/api')} refuses this login")
    assert "canary" not in done.stdout + done.stderr


@pytest.mark.timeout(400)  # all deployments, which take a minute on a busy machine
def test_everything_is_applied_under_a_key(server: PrefectServer, tmp_path: Path) -> None:
    given = {
        "PREFECT_API_KEY": KEY,
        "PREFECT_API_AUTH_STRING": "",
        "PREFECT_CLOUD_API_URL": server.api_url,
        "TLC_LOCAL_DIR": str(tmp_path),
        "TLC_POSTGRES_URL": "postgresql://nobody@127.0.0.1:1/none",
    }
    done = server.run("-m", "deployments.apply", environment=given)
    assert done.returncode == 0, done.stderr
    deployed = httpx.post(f"{server.api_url}/deployments/filter", json={}).json()
    assert {one["name"] for one in deployed} == set(declared_deployments())
    assert KEY not in done.stdout + done.stderr
