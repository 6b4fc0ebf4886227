"""The Terraform configuration as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2

TERRAFORM = Path(__file__).resolve().parents[2] / "deployments" / "terraform"


def read_configuration(folder: Path = TERRAFORM) -> dict[str, list[Any]]:
    """The blocks of all files by their kind (``resource``, ``variable`` …)."""
    blocks: dict[str, list[Any]] = {}
    for path in sorted(folder.glob("*.tf")):
        with path.open(encoding="utf-8") as file:
            for kind, found in hcl2.load(file).items():
                blocks.setdefault(kind, []).extend(found)
    return blocks


def declared(kind: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Type, name and body of each ``resource``, ``data`` or ``ephemeral`` block."""
    for block in read_configuration().get(kind, []):
        for type_, named in block.items():
            for name, body in named.items():
                yield type_.strip('"'), name.strip('"'), body


def used_types(provider: str) -> dict[str, set[str]]:
    """The types in use of a provider, by kind."""
    return {
        kind: {type_ for type_, _, _ in declared(kind) if type_.startswith(f"{provider}_")}
        for kind in ("resource", "data")
    }
