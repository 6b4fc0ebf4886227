"""``prefect deploy`` on a server without the work pool, as anybody who knows Prefect types it, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.server.declared import declared_deployments
from deployments.server.missing_pools import make_missing_pools
from deployments.work_pools import DEFAULT_POOL, POOLS
from tests.servers.prefect_process import PrefectServer
from tests.servers.prefect_stand_in import prefect_stand_in

DEPLOY = ("-m", "prefect", "deploy", "--no-prompt")
# A file with one deployment, for what does not need all of them.
FILE = "deployments: [{{name: one, entrypoint: 'flows/reconcile.py:reconcile', work_pool: {{name: {}}}}}]"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    with PrefectServer(tmp_path_factory.mktemp("empty")) as running:
        yield running


def asked(server: PrefectServer, path: str) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = httpx.post(f"{server.api_url}/{path}/filter", json={}).raise_for_status().json()
    return answer


def file_that_names(pool: str, folder: Path) -> str:
    file = folder / "other.yaml"
    file.write_text(FILE.format(pool), encoding="utf-8")
    return str(file)


def test_entry_point_is_installed() -> None:
    """Else nothing below can pass: after a change of it, `make setup`."""
    assert "nyc-taxi-flows" in entry_points(group="prefect.plugins").names


@pytest.mark.timeout(400)  # the first deployment of everything on an empty server, which takes a minute when it is busy
def test_deploy_makes_the_pool_that_is_missing_and_no_other_command_does(server: PrefectServer) -> None:
    for other in (("deployment", "ls"), ("deploy", "--help"), ("--profile", "none", "deploy", "--all")):
        server.run("-m", "prefect", *other)
    assert asked(server, "work_pools") == []

    done = server.run(*DEPLOY, "--all")

    assert done.returncode == 0, done.stderr
    assert f"The server had no work pool '{DEFAULT_POOL}': made from deployments/work_pools." in done.stderr
    assert {one["name"] for one in asked(server, "deployments")} == set(declared_deployments())
    (pool,) = asked(server, "work_pools")
    assert (pool["name"], pool["type"]) == (DEFAULT_POOL, "process")
    assert pool["base_job_template"] == POOLS[DEFAULT_POOL].base_job_template()


@pytest.mark.timeout(300)
def test_template_that_somebody_changed_stays(server: PrefectServer, tmp_path: Path) -> None:
    server.run("-m", "deployments.work_pools")
    pool = f"{server.api_url}/work_pools/{DEFAULT_POOL}"
    template = httpx.get(pool).json()["base_job_template"]
    template["job_configuration"]["stream_output"] = False
    httpx.patch(pool, json={"base_job_template": template}).raise_for_status()

    done = server.run(*DEPLOY, "--all", "--prefect-file", file_that_names(DEFAULT_POOL, tmp_path))

    assert done.returncode == 0, done.stderr
    assert "made from" not in done.stderr
    assert httpx.get(pool).json()["base_job_template"] == template


@pytest.mark.timeout(300)
def test_file_in_use_says_which_pool(server: PrefectServer, tmp_path: Path) -> None:
    done = server.run(*DEPLOY, "--all", f"--prefect-file={file_that_names('tlc-docker', tmp_path)}")
    assert done.returncode == 0, done.stderr
    assert {one["name"] for one in asked(server, "work_pools")} <= {DEFAULT_POOL, "tlc-docker"}
    assert "tlc-docker" in {one["name"] for one in asked(server, "work_pools")}


def told(api_url: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with temporary_settings(updates={PREFECT_API_URL: api_url}):
        make_missing_pools(words)
    output = capsys.readouterr()
    assert output.out == ""
    return output.err


def test_pool_without_a_template_is_left_to_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with prefect_stand_in(GET=404) as stand_in:
        said = told(stand_in.api_url, ["--prefect-file", file_that_names("stranger", tmp_path)], capsys)
    assert said == (
        "The server has no work pool 'stranger', and deployments/work_pools has no template for it: make it with "
        f"`prefect work-pool create`, or name one of {', '.join(POOLS)}.\n"
    )


def test_server_that_refuses_to_make_it_is_quoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with prefect_stand_in(GET=404, POST=403) as stand_in:
        said = told(stand_in.api_url, ["--prefect-file", file_that_names("tlc-docker", tmp_path)], capsys)
    assert said == (
        'The server has no work pool \'tlc-docker\', and refuses to make it: 403 {"detail": "so it was told"}. '
        "Let somebody who may make it run: python -m deployments.work_pools tlc-docker\n"
    )


def test_somebody_else_made_it_in_this_moment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with prefect_stand_in(GET=404, POST=409) as stand_in:
        assert told(stand_in.api_url, ["--prefect-file", file_that_names("tlc-docker", tmp_path)], capsys) == ""


@pytest.mark.parametrize("status", [401, 500])
def test_what_deploy_meets_itself_is_left_to_it(
    status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--prefect-file", file_that_names("tlc-docker", tmp_path)]
    with prefect_stand_in(GET=status) as stand_in:
        assert told(stand_in.api_url, words, capsys) == ""
    assert told("http://127.0.0.1:1/api", words, capsys) == ""
