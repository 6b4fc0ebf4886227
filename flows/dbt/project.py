"""The dbt project: where it is, which marts it has, and in which version."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "analytics"
# What changes no answer: comments of Jinja and of SQL, and blanks.
_COMMENTS = re.compile(r"\{#.*?#\}|--[^\n]*", re.DOTALL)


def mart_names() -> list[str]:
    """The names of the marts, in order."""
    return sorted(path.stem for path in (PROJECT / "models" / "marts").glob("*.sql"))


def selectable_names() -> set[str]:
    """What dbt may be told to build by a plain word: the models, and the folders that they are in."""
    return {path.stem for path in (PROJECT / "models").rglob("*") if path.is_dir() or path.suffix == ".sql"}


def project_version() -> str:
    """12 hex characters that change with the SQL of the models and macros: what was built before is then built anew."""
    digest = hashlib.sha256()
    paths = [path for folder in ("models", "macros") for path in sorted((PROJECT / folder).rglob("*.sql"))]
    for path in (PROJECT / "dbt_project.yml", *paths):
        text = _COMMENTS.sub(" ", path.read_text(encoding="utf-8"))
        digest.update(f"{path.relative_to(PROJECT)}\n{' '.join(text.split())}\n".encode())
    return digest.hexdigest()[:12]
