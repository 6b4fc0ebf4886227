"""Documents that are written by a module from what the project declares, and checked by ``make lint``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def write_or_check(arguments: Sequence[str], document: Path, text: str, module: str) -> int:
    """Write ``text`` to stdout, or with ``--check`` compare the document with it; returns the exit code."""
    if arguments != ["--check"]:
        sys.stdout.write(text)
        return 0
    if document.exists() and document.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{document} is out of date: python -m {module} > docs/{document.name}\n")
    return 1
