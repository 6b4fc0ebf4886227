"""The templates of the work pools are Prefect's own, with this project's defaults."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import prefect
import pytest
from prefect.workers.process import ProcessWorker
from prefect_gcp.workers.cloud_run_v2 import CloudRunWorkerV2
from prefect_kubernetes.worker import KubernetesWorker

from blocks.settings import Settings
from deployments.local.environment import platform_environment
from deployments.work_pools import DEFAULT_POOL, POOLS

SHIPPED = Path(prefect.__file__).parent / "server/api/collections_data/views/aggregate-worker-metadata.json"


def of_prefect(kind: str) -> dict:
    """The template of the installed release."""
    if kind == "process":
        return ProcessWorker.get_default_base_job_template()
    if kind == "kubernetes":
        return KubernetesWorker.get_default_base_job_template()
    if kind == "cloud-run-v2":
        return CloudRunWorkerV2.get_default_base_job_template()
    return json.loads(SHIPPED.read_text())["prefect-docker"]["docker"]["default_base_job_configuration"]


@pytest.mark.parametrize("name", POOLS)
def test_template_is_prefects_own_but_for_defaults(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in POOLS[name].from_environment.values():
        monkeypatch.delenv(variable, raising=False)
    ours, theirs = POOLS[name].template(), of_prefect(POOLS[name].type)
    for template in (ours, theirs):
        for variable in template["variables"]["properties"].values():
            variable.pop("default", None)
    if POOLS[name].type == "kubernetes":  # what it adds: test_kubernetes_pool.py
        assert ours.pop("job_configuration") != theirs.pop("job_configuration")
    assert ours == theirs


def test_cloud_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = POOLS["tlc-cloud-run"]
    for name in pool.from_environment.values():
        monkeypatch.setenv(name, f"value-of-{name}")
    properties = pool.template()["variables"]["properties"]
    assert {
        variable: properties[variable]["default"].removeprefix("value-of-") for variable in pool.from_environment
    } == dict(pool.from_environment)


def test_platform_says_how_its_pool_starts_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = platform_environment(tmp_path, "http://127.0.0.1:1/api")
    monkeypatch.setattr(os, "environ", told)
    command = POOLS[DEFAULT_POOL].template()["variables"]["properties"]["command"]["default"]
    assert command == f"{sys.executable} -m deployments.run_engine"


def test_no_placeholder_of_a_template_lacks_its_variable() -> None:
    for name, pool in POOLS.items():
        template = pool.template()
        text = json.dumps(template["job_configuration"])
        used = {part.split("}}")[0].strip() for part in text.split("{{")[1:]}
        assert used <= set(template["variables"]["properties"]), name


def test_cloud_run_job_keeps_few_downloads_and_may_take_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its disk is its memory."""
    properties = POOLS["tlc-cloud-run"].template()["variables"]["properties"]
    for name, value in properties["env"]["default"].items():
        monkeypatch.setenv(name, value)
    assert Settings().cache_bytes == 1024**3
    assert properties["timeout"]["default"] == 86400 <= properties["timeout"]["maximum"]
