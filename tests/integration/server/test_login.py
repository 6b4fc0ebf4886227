"""A server with a login: what it answers without one, and what the project's commands say to a wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers.prefect_process import PrefectServer

LOGIN = "tlc:canary-of-the-server"
WRONG = "tlc:canary-of-somebody"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    with PrefectServer(tmp_path_factory.mktemp("with-login"), PREFECT_SERVER_API_AUTH_STRING=LOGIN) as running:
        yield running


def test_what_says_nothing_of_the_runs_needs_no_login(server: PrefectServer) -> None:
    """docs/server.md names them."""
    for path in ("/api/health", "/api/ready", "/", "/docs", "/openapi.json", "/ui-settings"):
        answer = httpx.get(server.ui_url + path, follow_redirects=True, timeout=60)
        assert answer.status_code == 200, path
        assert "canary" not in answer.text


def test_everything_else_needs_it(server: PrefectServer) -> None:
    for path in ("/api/version", "/api/admin/settings", "/api/docs", "/api/flow_runs/count", "/api/block_documents"):
        assert httpx.get(server.ui_url + path).status_code == 401, path
    name, _, password = LOGIN.partition(":")
    assert httpx.get(f"{server.api_url}/admin/settings", auth=(name, password)).status_code == 200


@pytest.mark.parametrize("command", ["blocks.register", "deployments.apply", "deployments.automations"])
def test_wrong_login_is_one_sentence(server: PrefectServer, command: str) -> None:
    done = server.run("-m", command, environment={"PREFECT_API_AUTH_STRING": WRONG})
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"Prefect's server at {server.ui_url} refuses this login (401). Set PREFECT_API_AUTH_STRING to its "
        "user:password, or for Prefect Cloud PREFECT_API_KEY to a key with the right to do this."
    ]
    assert "canary" not in done.stdout


def test_missing_credentials_are_one_sentence(server: PrefectServer, tmp_path: Path) -> None:
    given = {
        "PREFECT_API_AUTH_STRING": LOGIN,
        "TLC_LAKE_URL": "gs://tlc-lake",
        "TLC_POSTGRES_URL": "postgresql://nobody@127.0.0.1:1/none",
        "TLC_LOCAL_DIR": str(tmp_path),
        "CLOUDSDK_CONFIG": str(tmp_path),  # without anybody's own credentials
    }
    done = server.run("-m", "deployments.apply", environment=given)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    sentence = done.stderr.splitlines()[-1]  # after warnings of Google's libraries
    assert sentence.startswith("there are no credentials for Google Cloud ")
    assert sentence.endswith("or run: gcloud auth application-default login")
