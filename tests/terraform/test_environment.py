"""The output ``environment`` names just what the project reads, and the work pool takes it."""

from __future__ import annotations

import re

import pytest

from blocks.settings import Settings
from deployments.work_pools import POOLS
from tests.servers.compose_file import image_environment
from tests.terraform.configuration import TERRAFORM

POOL = POOLS["tlc-cloud-run"]


def test_every_variable_of_the_output_is_read() -> None:
    told = set(re.findall(r"\bTLC_\w+", (TERRAFORM / "outputs.tf").read_text(encoding="utf-8")))
    read = {f"TLC_{name.upper()}" for name in Settings.model_fields} | {"TLC_PROJECT_DIR"}
    assert told - read == set(POOL.from_environment.values())


def test_worker_is_of_the_type_of_its_pool() -> None:
    worker = (TERRAFORM / "worker.tf").read_text(encoding="utf-8")
    assert re.findall(r'"WORKER_TYPE"\s+value = "(.+)"', worker) == [POOL.type]


def test_automations_expect_the_heartbeats_of_the_image() -> None:
    told = re.findall(r"HEARTBEAT_FREQUENCY = \"(\d+)\"", (TERRAFORM / "outputs.tf").read_text(encoding="utf-8"))
    assert told == [image_environment()["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]]


def test_pool_takes_secrets_and_instances_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLC_IMAGE", "registry/image:1")
    monkeypatch.setenv("TLC_GCP_AUTH_STRING_SECRET", '{"secret": "one", "version": "latest"}')
    monkeypatch.setenv("TLC_GCP_CLOUD_SQL_INSTANCES", '["project:region:tlc"]')

    variables = POOL.template()["variables"]["properties"]

    assert variables["image"]["default"] == "registry/image:1"
    assert variables["prefect_api_auth_string_secret"]["default"] == {"secret": "one", "version": "latest"}
    assert variables["cloudsql_instances"]["default"] == ["project:region:tlc"]
