"""docker-compose.yml and the Dockerfile as plain values: interpolated as Compose does it, anchors resolved."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]
OWN_IMAGE = "nyc-taxi-flows:"
# What .env has to give: the secrets.
REQUIRED = re.findall(r"^([A-Z_]+)=$", (PROJECT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
# $$, ${NAME}, ${NAME:-default}, ${NAME:?sentence}; a default may have variables in it, which have none themselves.
_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>(?:\$\{[^}]*\}|[^}])*))?\})")


class MissingVariable(Exception):
    """A required variable has no value; the message is the sentence in the file."""


def read_compose(environment: Mapping[str, str], text: str | None = None) -> dict[str, Any]:
    """The file with its variables replaced; raises MissingVariable."""
    text = text if text is not None else (PROJECT / "docker-compose.yml").read_text(encoding="utf-8")
    return _interpolated(yaml.safe_load(text), environment)


def service_environment(service: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    """What Compose would give the container: a variable without a value comes from outside, where it is set."""
    given = {name: environment.get(name) if value is None else value for name, value in service["environment"].items()}
    return {name: value for name, value in given.items() if value is not None}


def image_environment() -> dict[str, str]:
    """The variables of the Dockerfile's last stage, without PATH."""
    words = shlex.split(" ".join(_instructions("ENV")))
    return {name: value for name, value in (word.split("=", 1) for word in words) if name != "PATH"}


def image_command(instruction: str = "CMD") -> list[str]:
    """The image's default command, or with HEALTHCHECK that one's."""
    text = _instructions(instruction)[-1]
    words: list[str] = json.loads(text[text.index("[") :])
    return words


def _instructions(name: str) -> list[str]:
    last_stage = (PROJECT / "Dockerfile").read_text(encoding="utf-8").rpartition("\nFROM ")[2].replace("\\\n", " ")
    return [line.partition(" ")[2] for line in last_stage.splitlines() if line.startswith(f"{name} ")]


def _interpolated(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _interpolated(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [_interpolated(item, environment) for item in value]
    return _VARIABLE.sub(lambda found: _value(found, environment), value) if isinstance(value, str) else value


def _value(found: re.Match[str], environment: Mapping[str, str]) -> str:
    if found[0] == "$$":
        return "$"
    value = environment.get(found["name"], "")
    if not value and found["kind"] == "?":
        raise MissingVariable(f"{found['name']}: {found['text']}")
    return value or (_interpolated(found["text"], environment) if found["kind"] == "-" else "")
