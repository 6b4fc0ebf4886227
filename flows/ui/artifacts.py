"""Artifacts of markdown and of rows, with nothing in them that steers a terminal or a page.

What is a stranger's within markdown goes through ``in_markdown`` first: only who writes it knows which part that is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.tlc.visible import in_markdown, visible, visible_lines


def show_markdown(markdown: str, key: str, description: str) -> None:
    """An artifact of markdown; ``description`` is plain text."""
    create_markdown_artifact(markdown=visible_lines(markdown), key=key, description=in_markdown(description))


def show_table(rows: Sequence[Mapping[str, Any]], key: str, description: str) -> None:
    """An artifact with a table; ``description`` is plain text."""
    table = [{visible(name): _cell(value) for name, value in row.items()} for row in rows]
    create_table_artifact(table=table, key=key, description=in_markdown(description))


def _cell(value: Any) -> Any:
    return visible(value) if isinstance(value, str) else value
