"""A flow run of the pool for Kubernetes becomes a job, made by Prefect's own worker, that Kubernetes' schema allows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers.helm_values import helm_values
from tests.servers.kubernetes_api import KubernetesApi
from tests.servers.prefect_process import PrefectServer
from tests.servers.worker_process import work_until

PASSWORD = "tlc:what-no-job-may-show"
# A database that nobody asks, and the code's place in the image.
ELSEWHERE = {
    "TLC_POSTGRES_URL": "postgresql://nobody@127.0.0.1:1/none",
    "TLC_LAKE_URL": "file:///tmp/lake",
    "TLC_WAREHOUSE_URL": "duckdb:////tmp/warehouse.duckdb",
    "TLC_PROJECT_DIR": "/app",
    "TLC_IMAGE": "registry.example.org/nyc-taxi-flows:1",
}


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    with PrefectServer(tmp_path_factory.mktemp("prefect-server")) as running:
        yield running


@pytest.mark.timeout(600)
def test_runs_become_jobs_of_the_pool(server: PrefectServer, tmp_path: Path) -> None:
    done = server.run("-m", "deployments.apply", "--pool", "tlc-kubernetes", environment=ELSEWHERE)
    assert done.returncode == 0, done.stderr
    names = ("load-month", "build-models")
    runs = {name: created(server, name, {"target": "postgres"} if name == "build-models" else {}) for name in names}

    with KubernetesApi(tmp_path) as cluster:
        options, environment = as_in_the_chart(server, cluster)
        log = work_until(
            lambda _: len(cluster.jobs) + len(cluster.refused) >= len(runs), *options,
            environment=environment, log=tmp_path / "log",
        )  # fmt: skip
    assert not cluster.refused, log
    jobs = {job["metadata"]["labels"]["prefect.io/flow-run-id"]: job for job in cluster.jobs}
    assert set(jobs) == set(runs.values()), log

    for run in runs.values():
        job = jobs[run]
        assert job["metadata"]["namespace"] == "prefect"
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert container["image"] == "registry.example.org/nyc-taxi-flows:1"
        assert container["args"] == ["prefect", "flow-run", "execute"]
        assert container["resources"]["limits"] == {"cpu": "2", "memory": "1280Mi", "ephemeral-storage": "9Gi"}
        given = {variable["name"]: variable for variable in container["env"]}
        assert given["PREFECT__FLOW_RUN_ID"]["value"] == run
        assert given["PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR"]["value"] == "reschedule"  # if its node is drained
        assert given["PREFECT_API_URL"]["value"] == server.api_url
        login = {"secretKeyRef": {"name": "prefect-auth", "key": "auth-string"}}
        assert given["PREFECT_API_AUTH_STRING"]["valueFrom"] == login
        assert PASSWORD not in json.dumps(job)


def as_in_the_chart(server: PrefectServer, cluster: KubernetesApi) -> tuple[list[str], dict[str, str]]:
    """The options and the environment of the worker that Prefect's chart starts with our values."""
    worker = helm_values("worker")["worker"]
    variables = {variable["name"]: variable["value"] for variable in worker["extraEnvVars"]}
    # The observer watches pods, of which there are none.
    ours = {"PREFECT_API_AUTH_STRING": PASSWORD, "PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_ENABLED": "false"}
    options = ["--type", "kubernetes", "--pool", worker["config"]["workPool"]]
    return options, server.environment | cluster.environment | variables | ours


def created(server: PrefectServer, name: str, parameters: dict[str, Any]) -> str:
    """The id of a new run, due at once."""
    found = httpx.get(f"{server.api_url}/deployments/name/{name}/{name}").raise_for_status().json()
    path = f"{server.api_url}/deployments/{found['id']}/create_flow_run"
    body = {"state": {"type": "SCHEDULED"}, "parameters": parameters}
    return str(httpx.post(path, json=body).raise_for_status().json()["id"])
