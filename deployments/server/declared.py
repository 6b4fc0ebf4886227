"""What ``prefect.yaml`` declares, for those who compare it with a server."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]


@cache
def declared_deployments() -> dict[str, dict[str, Any]]:
    """The deployments of the file by name, anchors resolved."""
    return {deployment["name"]: deployment for deployment in _read()["deployments"]}


def declared_for_pool(pool: str) -> str:
    """The text of the file with another work pool, which ``prefect deploy --all`` would not take as an option."""
    file = _read()
    for deployment in file["deployments"]:
        # Empty, rather than absent: that takes away what a deployment was given before.
        deployment["work_pool"] = {"name": pool, "job_variables": {}}
    return yaml.safe_dump(file)


def _read() -> dict[str, Any]:
    file: dict[str, Any] = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))
    return file
