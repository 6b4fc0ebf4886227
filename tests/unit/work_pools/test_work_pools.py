"""The templates of the work pools are Prefect's own, with this project's defaults."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import prefect
import pytest
import yaml
from prefect.client.orchestration import PrefectClient
from prefect.utilities.schema_tools.validation import validate
from prefect.workers.base import BaseJobConfiguration
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker
from prefect_gcp.workers.cloud_run_v2 import CloudRunWorkerV2
from prefect_kubernetes.worker import KubernetesWorker, KubernetesWorkerJobConfiguration
from pydantic import ConfigDict

from blocks.settings import Settings
from deployments.local.environment import platform_environment
from deployments.server.declared import declared_deployments, declared_for_pool
from deployments.work_pools import DEFAULT_POOL, POOLS

SECRET = "postgresql://tlc:canary-password@db/tlc"
REFERENCE = "{{ prefect.blocks.sqlalchemy-connector.tlc-postgres.connection_info }}"
SHIPPED = Path(prefect.__file__).parent / "server/api/collections_data/views/aggregate-worker-metadata.json"


class AnyJobConfiguration(BaseJobConfiguration):
    """All of what the template comes to, without the Docker worker's package and Cloud Run's credentials."""

    model_config = ConfigDict(extra="allow")


CONFIGURATIONS: dict[str, type[BaseJobConfiguration]] = {
    "process": ProcessJobConfiguration,
    "docker": AnyJobConfiguration,
    "cloud-run-v2": AnyJobConfiguration,
    "kubernetes": KubernetesWorkerJobConfiguration,
}


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
    if POOLS[name].type == "cloud-run-v2":
        (container,) = ours["job_configuration"]["job_body"]["template"]["template"]["containers"]
        assert container.pop("env")
        container["env"] = []
    assert ours == theirs


class HasSecret:
    """Prefect's server to a worker that asks for a block."""

    async def read_block_document_by_name(self, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(data={"connection_info": SECRET})


def configuration(name: str, template: dict[str, Any], values: dict[str, Any], client: Any = None) -> dict[str, Any]:
    """What the pool's worker makes of a template and the job variables of deployment and run, by its own code."""
    asks_nobody = PrefectClient("http://127.0.0.1:1/api")  # the templates name no block
    made = CONFIGURATIONS[POOLS[name].type].from_template_and_values(template, values, client=client or asks_nobody)
    return asyncio.run(made).model_dump()


def hostile(properties: dict[str, Any]) -> dict[str, Any]:
    """A value for each variable of the template, and in Prefect's other way to write a variable that is in another."""
    own = {"env": {"PYTHONPATH": "/tmp/evil"}, "labels": {"a": "evil"}, "volumes": ["/:/host"], "privileged": True}
    return dict.fromkeys(properties, "evil") | {k: v for k, v in own.items() if k in properties} | {"env.A": "evil"}


@pytest.mark.parametrize("name", POOLS)
def test_defaults_make_the_same_job_as_prefects_template(name: str) -> None:
    pool = POOLS[name]
    assert configuration(name, pool.base_job_template(), {}) == configuration(name, pool.template(), {})


@pytest.mark.parametrize("name", POOLS)
def test_job_variables_of_a_run_change_nothing(name: str) -> None:
    """Prefect's worker takes what its server did not check: in the API are ways around the check."""
    pool = POOLS[name]
    template = pool.base_job_template()
    given = hostile(pool.template()["variables"]["properties"])
    assert {"command", "env"} < set(given)
    assert configuration(name, template, given) == configuration(name, template, {})


@pytest.mark.parametrize("name", POOLS)
def test_no_secret_of_a_block_gets_into_a_job(name: str) -> None:
    """The worker resolves references after it has put the job variables in, with its own rights."""
    pool = POOLS[name]
    given: dict[str, Any] = dict.fromkeys(pool.template()["variables"]["properties"], REFERENCE)
    given |= {"env": {"A": REFERENCE}, "env.B": REFERENCE}
    made = configuration(name, pool.base_job_template(), given, HasSecret())
    assert made == configuration(name, pool.base_job_template(), {})
    assert SECRET in str(configuration(name, pool.template(), {"command": REFERENCE}, HasSecret()))


@pytest.mark.parametrize("name", POOLS)
def test_server_refuses_job_variables_by_name(name: str) -> None:
    pool = POOLS[name]
    variables = pool.base_job_template()["variables"]
    for variable in pool.template()["variables"]["properties"]:
        (error,) = validate({variable: "evil"}, variables)
        assert error.message == f"Additional properties are not allowed ('{variable}' was unexpected)"
    assert validate({}, variables) == []


@pytest.mark.parametrize("name", POOLS)
def test_no_deployment_sets_a_job_variable(name: str) -> None:
    for deployment in yaml.safe_load(declared_for_pool(name))["deployments"]:
        assert deployment["work_pool"] == {"name": name, "job_variables": {}}
    for deployment in declared_deployments().values():
        assert not deployment["work_pool"].get("job_variables")


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
    template = POOLS["tlc-cloud-run"].template()
    properties = template["variables"]["properties"]
    (container,) = template["job_configuration"]["job_body"]["template"]["template"]["containers"]
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable["value"])
    assert Settings().cache_bytes == 1024**3
    assert properties["timeout"]["default"] == 86400 <= properties["timeout"]["maximum"]
