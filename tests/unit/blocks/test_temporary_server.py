"""Whatever may make Prefect start a server of its own asks for a login first, and no other server gets that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import flows
from deployments.server.declared import PROJECT

# Flows, and commands that may ask a server: all with a main of their own that import a client of Prefect's.
FLOWS = [f"flows.{name}" for name in flows.__all__]
COMMANDS = sorted(
    ".".join(path.relative_to(PROJECT).with_suffix("").parts)
    for folder in ("blocks", "deployments")
    for path in (PROJECT / folder).rglob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8") and "containers" not in path.parts
)

# Each module in a child of one process, which has imported what takes longest.
OBSERVER = """
import importlib, json, os, sys
import prefect.context, prefect.client.orchestration, prefect.automations, prefect_sqlalchemy, pyarrow.parquet
before = set(sys.modules)
for name in json.load(sys.stdin):
    sys.stdout.flush()
    if os.fork() == 0:
        importlib.import_module(name)
        settings = prefect.context.GLOBAL_SETTINGS_CONTEXT.settings
        login = settings.server.api.auth_string
        ours = [each for each in set(sys.modules) - before if each.startswith(("flows.", "blocks.", "deployments."))]
        asks = [each for each in ours if hasattr(sys.modules[each], "get_client") or each in FLOWS]
        given = bool(login) and login == settings.api.auth_string
        print(json.dumps([name, bool(asks), given, settings.server.api.cors_allowed_origins]), flush=True)
        os._exit(0)
    os.wait()
"""


def observe(modules: list[str], tmp_path: Path, **settings: str) -> dict[str, list]:
    """Of each module that may ask a server: whether that needs the login that we give, and who may ask it beside us."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "TLC_"))}
    done = subprocess.run(
        [sys.executable, "-c", f"FLOWS = {FLOWS}\n{OBSERVER}"],
        input=json.dumps(modules),
        env=plain | {"PREFECT_HOME": str(tmp_path), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"} | settings,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, *_ in seen] == modules, done.stderr
    return {name: rest for name, asks, *rest in seen if asks}


def test_each_flow_and_command_has_a_login_before_a_server_starts(tmp_path: Path) -> None:
    seen = observe(FLOWS + COMMANDS, tmp_path)
    assert seen.keys() >= {*FLOWS, "blocks.register", "deployments.automations", "deployments.work_pools.__main__"}
    assert {name: found for name, found in seen.items() if found != [True, "none"]} == {}


@pytest.mark.parametrize("configured", ["in the environment", "in the user's profile"])
def test_a_server_that_is_configured_is_given_no_login(configured: str, tmp_path: Path) -> None:
    url = "https://prefect.example.org/api"
    if configured == "in the environment":
        settings = {"PREFECT_API_URL": url}
    else:
        (tmp_path / "profiles.toml").write_text(f'active = "work"\n[profiles.work]\nPREFECT_API_URL = "{url}"\n')
        settings = {}
    assert observe(["blocks.register"], tmp_path, **settings) == {"blocks.register": [False, "*"]}


@pytest.mark.parametrize("side", ["PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"])
def test_a_login_of_the_users_own_is_that_of_the_server(side: str) -> None:
    code = """if True:
        import blocks.saved
        from prefect.settings import get_current_settings
        settings = get_current_settings()
        print(settings.api.auth_string.get_secret_value(), settings.server.api.auth_string.get_secret_value())
        import os
        print(sorted(name for name in os.environ if "AUTH" in name))
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    command = [sys.executable, "-c", code]
    given = environment | {side: "me:mine"}
    done = subprocess.run(command, env=given, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["me:mine me:mine", f"['{side}']"]
