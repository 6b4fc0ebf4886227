"""Logs as JSON, really: a worker takes a run, and each line of both is an object that says what it is about."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL
from sqlalchemy.engine import make_url

from deployments.server.declared import PROJECT
from tests.servers.compose_file import REQUIRED, image_environment, read_compose
from tests.servers.worker_process import work_until

CLASS = "PREFECT_LOGGING_FORMATTERS_JSON_CLASS"
FORMATTER = "PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER"


def json_settings() -> dict[str, str]:
    """As the compose file's worker has them with LOG_FORMAT=json."""
    given = dict.fromkeys(REQUIRED, "canary") | {"LOG_FORMAT": "json"}
    worker = read_compose(given)["services"]["worker"]
    return {CLASS: image_environment()[CLASS], FORMATTER: worker["environment"][FORMATTER]}


def test_page_says_the_variables_that_the_image_and_the_compose_file_set() -> None:
    page = (PROJECT / "docs/metrics.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^export (\w+)=(\S+)$", page, re.M)) == json_settings()


@pytest.fixture
def run_id(environment: Path) -> str:
    """A run of a deployment in a pool of the test's own, for a worker to take."""
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="json-log", type="process"))
        flow = client.create_flow_from_name("api-to-postgres")
        deployment = client.create_deployment(
            flow,
            "json-log",
            work_pool_name="json-log",
            entrypoint="flows/api_to_postgres.py:api_to_postgres",
            pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(PROJECT)}}],
            parameters={"dataset": "green", "month": "2020-12"},
        )
        return str(client.create_flow_run_from_deployment(deployment).id)


def test_each_line_of_worker_and_run_is_an_object_with_run_dataset_and_month(
    run_id: str, database, tmp_path: Path
) -> None:
    password = make_url(database.url).password or "canary"
    here = {"PREFECT_API_URL": PREFECT_API_URL.value(), "PYTHONPATH": str(PROJECT)}
    log = work_until(
        lambda told: "Finished in state" in told, "--pool", "json-log",
        environment=os.environ | json_settings() | here, log=tmp_path / "log",
    )  # fmt: skip
    lines = [json.loads(line) for line in log.splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    of_worker = [line for line in lines if line["logger"].startswith("prefect.flow_runs.worker")]
    assert {line["flow_run_id"] for line in of_worker} == {run_id}
    of_run = [line for line in lines if line["logger"] == "prefect.flow_runs"]
    assert {line["flow_run_id"] for line in of_run} == {run_id}
    assert "api-to-postgres" in {line["flow_name"] for line in of_run}
    about = {(line["dataset"], line["month"]) for line in of_run if "dataset" in line}  # not the engine's own lines
    assert about == {("green", "2020-12")}
    of_tasks = [line for line in lines if line["logger"] == "prefect.task_runs"]
    assert of_tasks and all(line["task_run_name"] and line["month"] == "2020-12" for line in of_tasks)
    assert any("83,130" in line["message"] for line in lines)
    assert password not in log
