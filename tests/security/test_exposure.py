"""Nobody gets at Prefect's server from another machine without a password."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = sorted(ROOT.glob("docker-compose*.y*ml"))
CODE = sorted(path for folder in ("blocks", "deployments", "flows") for path in (ROOT / folder).rglob("*.py"))


def test_what_is_started_in_python_listens_on_loopback_only() -> None:
    everywhere = re.compile(r"0\.0\.0\.0|\[::\]|[\"']::[\"']|listen_addresses=(?!\"|127\.0\.0\.1\")")
    assert [str(path) for path in CODE if everywhere.search(path.read_text(encoding="utf-8"))] == []


def unguarded(compose: dict[str, Any]) -> list[str]:
    """The services that run Prefect's server and start without a password having been set."""
    services: dict[str, dict[str, Any]] = compose["services"]
    return [
        name
        for name, service in services.items()
        if re.search(r"prefect\W+server\W+start", str(service.get("command")))
        # ${NAME:?…}: Compose refuses to start where it is not set.
        and not re.match(r"\$\{\w+:\?", str(service.get("environment", {}).get("PREFECT_SERVER_API_AUTH_STRING")))
    ]


def test_server_in_containers_asks_for_a_password() -> None:
    assert {path.name: unguarded(yaml.safe_load(path.read_text())) for path in COMPOSE} == {
        path.name: [] for path in COMPOSE
    }


@pytest.mark.parametrize("environment", [{}, {"PREFECT_SERVER_API_AUTH_STRING": "${AUTH:-admin:admin}"}])
def test_server_without_a_password_is_found(environment: dict[str, str]) -> None:
    server = {"command": ["prefect", "server", "start", "--host", "0.0.0.0"], "environment": environment}
    assert unguarded({"services": {"server": server}}) == ["server"]
