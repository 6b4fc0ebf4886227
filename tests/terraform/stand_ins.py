"""Programs that stand in for those of Google, HashiCorp and Docker."""

from __future__ import annotations

import sys
from pathlib import Path


def make_program(path: Path, code: str) -> None:
    """A program of this Python at ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(0o755)
