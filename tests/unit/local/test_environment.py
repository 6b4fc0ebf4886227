"""The environment of the platform: the user's own, without whatever leads to the user's own Prefect."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import get_current_settings

from deployments.local.environment import demo_folder, keep_private, platform_environment

API = "http://127.0.0.1:4200/api"
LEADS_ELSEWHERE = (
    "PREFECT_PROFILE",
    "PREFECT_PROFILES_PATH",
    "PREFECT_API_KEY",
    "PREFECT_API_AUTH_STRING",
    "PREFECT_UI_URL",
    "PREFECT_SERVER_API_AUTH_STRING",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL",
)


@pytest.mark.parametrize("name", LEADS_ELSEWHERE)
def test_what_leads_to_another_prefect_is_left_out(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "somewhere else")
    assert name not in platform_environment(tmp_path, API)


def test_how_prefect_works_is_the_users_to_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_WORKER_QUERY_SECONDS", "7")
    monkeypatch.setenv("PREFECT_API_URL", "http://elsewhere/api")
    environment = platform_environment(tmp_path, API)
    assert environment["PREFECT_WORKER_QUERY_SECONDS"] == "7"
    assert environment["PREFECT_API_URL"] == API


def test_made_up_months_are_kept_apart(tmp_path: Path) -> None:
    environment = platform_environment(tmp_path, API, demo_folder(tmp_path))
    assert environment["TLC_LOCAL_DIR"] == str(tmp_path / "demo")
    assert environment["PREFECT_HOME"] == str(tmp_path / "demo/platform")


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize(("lake", "readable"), [("", 0o600), ("file:///srv/lake", 0o666)])
def test_what_the_platform_writes_is_its_owners(
    lake: str, readable: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_umask: None
) -> None:
    """Its folders always, whatever the umask; new files, too, unless the user chose where they go."""
    monkeypatch.setenv("TLC_LAKE_URL", lake)
    (tmp_path / "platform").mkdir()
    keep_private(tmp_path / "platform")
    temporary = Path(platform_environment(tmp_path / "platform", API)["TMPDIR"])
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (temporary, tmp_path / "platform")] == [0o700] * 2
    (temporary / "file").touch()
    assert stat.S_IMODE((temporary / "file").stat().st_mode) == readable


def test_no_page_of_another_origin_may_ask_the_api(tmp_path: Path) -> None:
    allowed = platform_environment(tmp_path, API)["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"]
    assert allowed == "http://127.0.0.1:4200,http://localhost:4200"


def test_prefects_database_is_cleared_as_prefect_toml_says(tmp_path: Path) -> None:
    vacuum = "PREFECT_SERVER_SERVICES_DB_VACUUM"
    environment = platform_environment(tmp_path, API)
    assert environment[f"{vacuum}_ENABLED"] == "events,flow_runs"
    there = get_current_settings().server.services.db_vacuum
    assert there.enabled_vacuum_types == {"events", "flow_runs", "orphans"}
    assert there.retention_period.total_seconds() == float(environment[f"{vacuum}_RETENTION_PERIOD"])


def test_runs_of_the_platform_beat_as_those_of_the_checkout(tmp_path: Path) -> None:
    assert platform_environment(tmp_path, API)["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    assert get_current_settings().flows.heartbeat_frequency == 30  # from prefect.toml, in the checkout
