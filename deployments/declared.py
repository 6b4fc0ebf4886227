"""What ``prefect.yaml`` declares, for those who compare it with a server."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[1]


@cache
def declared_deployments() -> dict[str, dict[str, Any]]:
    """The deployments of the file by name, anchors resolved."""
    declared = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    return {deployment["name"]: deployment for deployment in declared}
