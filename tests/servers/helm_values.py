"""Our values for Prefect's Helm charts."""

from __future__ import annotations

from typing import Any

import yaml

from tests.servers.compose_file import PROJECT

FOLDER = PROJECT / "deployments" / "kubernetes"


def helm_values(chart: str) -> dict[str, Any]:
    """Those for ``server`` or ``worker``."""
    values: dict[str, Any] = yaml.safe_load((FOLDER / f"{chart}-values.yaml").read_text(encoding="utf-8"))
    return values
