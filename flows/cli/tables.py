"""What commands answer, as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from flows.tlc.visible import visible, visible_lines

# How a word of the answers is coloured; others are plain.
_STYLES = {
    "loaded": "green",
    "load": "yellow",
    "failed": "bold red",
    "stale": "yellow",
    "not_published": "dim",
    "unchanged": "dim",
    "skipped": "dim",
}


def table_of(rows: Sequence[Mapping[str, Any]], *, numbers: Sequence[str] = (), title: str | None = None) -> Table:
    """A table with a column for each key, in the order in which they are met; ``numbers`` are set to the right."""
    heading = None if title is None else Text(visible_lines(title), style="bold")
    table = Table(box=SIMPLE_HEAD, show_edge=False, title=heading, title_justify="left")
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in names:
        table.add_column(Text(visible(name)), justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell(row.get(name)) for name in names))
    return table


def cell(value: Any) -> Text:
    """A value as a cell of a table."""
    if value is None:
        return Text("")
    text = shown(value)
    return Text(text.replace("_", " ") if text in _STYLES else text, style=_STYLES.get(text.split(" ")[-1], ""))


def shown(value: Any) -> str:
    """A value as people write it: thousands apart, no digits that say nothing, times to the second."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return visible(str(value))
