"""Our values for Prefect's Helm charts: keys that the charts have, and what compose says where both say it."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from prefect_kubernetes.settings import KubernetesSettings

from deployments.work_pools import POOLS
from tests.servers.compose_file import PROJECT, image_environment
from tests.servers.helm_values import FOLDER, helm_values
from tests.servers.kubernetes_api import VERSION

KEYS = json.loads(Path(__file__).with_name("chart_keys.json").read_text(encoding="utf-8"))
PAGE = (PROJECT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
# What the chart itself gives the server's processes, or what is different on Kubernetes: the tables are made by the
# chart's own job, and before it runs by the server. The formatter of logs as JSON is in this project's image.
OF_THE_CHART = {
    "PREFECT_HOME",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER",
    "PREFECT_SERVER_API_AUTH_STRING",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL",
    "PREFECT_SERVER_DATABASE_MIGRATE_ON_START",
    "PREFECT_SERVER_UI_API_URL",
}


@pytest.mark.parametrize("chart", ["server", "worker"])
def test_chart_knows_every_key(chart: str) -> None:
    known = KEYS[chart]
    for place, keys in mappings(helm_values(chart)):
        assert keys <= set(known[place]), place


def mappings(values: dict[str, Any], place: str = "") -> Iterator[tuple[str, set[str]]]:
    """Each mapping's place and keys; lists are handed to Kubernetes as they are."""
    yield place, set(values)
    for key, value in values.items():
        if isinstance(value, dict):
            yield from mappings(value, f"{place}.{key}".lstrip("."))


def server_variables() -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in helm_values("server")["global"]["prefect"]["env"]}


def test_servers_processes_agree_on_what_compose_has_them_agree_on() -> None:
    compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text(encoding="utf-8"))
    expected = {name: value for name, value in compose["x-server-environment"].items() if name not in OF_THE_CHART}
    ours = server_variables()
    assert set(expected) <= set(ours)
    for name, value in expected.items():
        if "${" not in str(value):
            assert ours[name]["value"] == value


def test_server_removes_what_the_images_does() -> None:
    """It is Prefect's image, not this project's."""
    ours = image_environment()
    vacuum = [name for name in ours if name.startswith("PREFECT_SERVER_SERVICES_DB_VACUUM")]
    assert len(vacuum) == 2
    assert {name: server_variables()[name]["value"] for name in vacuum} == {name: ours[name] for name in vacuum}


def test_no_secret_is_in_the_values_and_the_page_makes_each() -> None:
    wanted = {
        (reference["name"], reference["key"])
        for variable in server_variables().values()
        if "valueFrom" in variable
        for reference in [variable["valueFrom"]["secretKeyRef"]]
    }
    wanted |= {(helm_values("server")["secret"]["name"], "connection-string")}  # the keys that the charts read
    for chart in ("server", "worker"):
        wanted |= {(helm_values(chart)[chart]["basicAuth"]["existingSecret"], "auth-string")}
    made = set(re.findall(r"\| secret ([\w-]+) ([\w-]+)$", PAGE, flags=re.MULTILINE))
    assert made == wanted
    assert {"PREFECT_SERVER_ENCRYPTION_KEY", "PREFECT_REDIS_MESSAGING_URL"} <= {
        name for name, variable in server_variables().items() if "valueFrom" in variable
    }


KUBECTL = """#!/bin/sh
case "$*" in *=/dev/stdin) set -- "$@" "$(cat)" ;; esac
echo "$@" >> "$(dirname "$0")/told"
"""


def test_lines_of_the_page_make_secrets_as_the_server_takes_them(tmp_path: Path) -> None:
    """Run as they stand there, up to Helm's; the stand-in for kubectl writes down what it is told."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL, encoding="utf-8")
    kubectl.chmod(0o755)
    lines, helm, _ = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)[0].partition("helm repo add")
    assert helm
    subprocess.run(["sh", "-euc", lines], cwd=PROJECT, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, check=True)
    told = (tmp_path / "told").read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("--namespace prefect ") for line in told if line != "create namespace prefect")
    made = dict(re.findall(r"secret generic ([\w-]+) --from-file=[\w-]+=/dev/stdin (.*)", "\n".join(told)))
    assert re.fullmatch("tlc:[0-9a-f]{48}", made["prefect-auth"])
    assert len(base64.urlsafe_b64decode(made["prefect-encryption"])) == 32


def test_worker_gives_jobs_the_secret_that_it_logs_in_with(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = helm_values("worker")["worker"]
    for variable in worker["extraEnvVars"]:
        monkeypatch.setenv(variable["name"], variable["value"])
    read = KubernetesSettings().worker
    assert read.api_auth_string_secret_name == worker["basicAuth"]["existingSecret"]
    assert read.api_auth_string_secret_key == "auth-string"


def test_server_and_worker_are_of_the_release_that_the_flows_have() -> None:
    release = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))["prefect-version"]
    assert helm_values("server")["global"]["prefect"]["image"]["prefectTag"] == f"{release}-python3.11"
    assert helm_values("worker")["worker"]["image"]["prefectTag"] == f"{release}-python3.11-kubernetes"


def test_worker_account_and_runs_are_in_one_namespace() -> None:
    properties = POOLS["tlc-kubernetes"].template()["variables"]["properties"]
    account = yaml.safe_load((FOLDER / "flow-account.yaml").read_text(encoding="utf-8"))
    kubernetes_validate.validate(account, VERSION, strict=True)
    worker = helm_values("worker")["worker"]
    assert worker["config"]["workPool"] == "tlc-kubernetes"
    namespace = account["metadata"]["namespace"]
    assert properties["namespace"]["default"] == namespace
    assert properties["service_account_name"]["default"] == account["metadata"]["name"]
    assert worker["serverApiConfig"]["apiUrl"] == f"http://prefect-server.{namespace}.svc.cluster.local:4200/api"
    assert f"--namespace {namespace}" in PAGE
