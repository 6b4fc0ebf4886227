"""prefect.yaml and the flows agree, before any server is asked."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tomllib
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect.cli.deploy._models import DeploymentConfig
from prefect.client.schemas.schedules import CronSchedule
from prefect.utilities.callables import parameter_schema
from prefect.utilities.importtools import import_object

import flows
from deployments.server.declared import PROJECT, declared_deployments
from deployments.server.deploy_steps import PACKAGE, describe_project
from deployments.work_pools import DEFAULT_POOL, POOLS

DECLARED = declared_deployments()
SCHEDULES = [
    pytest.param(name, schedule, id=f"{name}-{schedule['slug']}")
    for name, declared in DECLARED.items()
    for schedule in declared["schedules"]
]


def test_every_flow_has_one_deployment_of_its_own_name() -> None:
    listed = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    assert sorted(one["name"] for one in listed) == sorted(name.replace("_", "-") for name in flows.__all__)


@pytest.mark.parametrize("name", DECLARED)
def test_deployment_is_complete_and_fits_its_flow(name: str) -> None:
    declared = DECLARED[name]
    assert set(declared) <= set(DeploymentConfig.model_fields)  # Prefect itself ignores what it does not know
    DeploymentConfig.model_validate(declared)
    function = name.replace("-", "_")
    assert declared["entrypoint"] == f"flows/{function}.py:{function}"
    assert import_object(f"flows.{function}.{function}") is getattr(flows, function)
    assert len(declared["description"]) > 40
    assert declared["tags"][0] == "tlc"
    assert declared["enforce_parameter_schema"] is True
    assert declared["concurrency_limit"]["limit"] >= 1
    assert declared["concurrency_limit"]["collision_strategy"] == "ENQUEUE"
    assert declared["work_pool"]["name"] == DEFAULT_POOL
    assert DEFAULT_POOL in POOLS


@pytest.mark.parametrize("name", DECLARED)
def test_run_without_parameters_is_one_that_the_flow_takes(name: str) -> None:
    flow, declared = getattr(flows, name.replace("-", "_")), DECLARED[name]
    # Where the file gives no default, each of its schedules has to.
    every = [declared.get("parameters", {}) | one.get("parameters", {}) for one in declared["schedules"]]
    for given in every or [declared.get("parameters", {})]:
        assert set(parameter_schema(flow).required) <= set(given)
        flow.validate_parameters(given)


@pytest.mark.parametrize(("name", "schedule"), SCHEDULES)
def test_schedule_says_when_where_and_what(name: str, schedule: dict) -> None:
    assert set(schedule) <= {"slug", "cron", "timezone", "parameters"}
    assert str(ZoneInfo(schedule["timezone"])) == schedule["timezone"]
    CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])
    flow = getattr(flows, name.replace("-", "_"))
    flow.validate_parameters(DECLARED[name].get("parameters", {}) | schedule.get("parameters", {}))


def test_slugs_of_a_deployment_differ() -> None:
    for name, declared in DECLARED.items():
        slugs = [schedule["slug"] for schedule in declared["schedules"]]
        assert len(slugs) == len(set(slugs)), name


def test_schedules_of_a_deployment_are_told_apart_by_their_times() -> None:
    """All that Prefect's UI shows of them."""
    for name, declared in DECLARED.items():
        times = [schedule["cron"] for schedule in declared["schedules"]]
        assert len(times) == len(set(times)), name


def test_homework_and_daily_sync_are_scheduled_as_asked() -> None:
    assert DECLARED["green-taxi-etl"]["schedules"] == [{"slug": "daily", "cron": "0 5 * * *", "timezone": "UTC"}]
    zones = {schedule["timezone"] for schedule in DECLARED["sync-new-months"]["schedules"]}
    assert zones == {"America/New_York"}


def test_version_is_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TLC_PROJECT_DIR", raising=False)
    monkeypatch.chdir(PROJECT)
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert declared["name"] == PACKAGE
    assert describe_project() == {"folder": str(PROJECT), "version": importlib.metadata.version(PACKAGE)}


def test_folder_of_runs_elsewhere_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLC_PROJECT_DIR", "/app")
    assert describe_project()["folder"] == "/app"


def test_commands_import_prefect_only_once_they_have_set_its_environment() -> None:
    """Prefect reads its environment when it is imported: too early, and ``make up`` talks to another server."""
    code = "import deployments.local.up, deployments.local.down, deployments.local.status, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "prefect" not in loaded.stdout.split()
