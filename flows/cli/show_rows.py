"""The first rows of a query, as a table on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from flows.cli.row_formats import text_of
from flows.cli.terminal import Terminal
from flows.tlc.visible import visible

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 100


def show_rows(
    terminal: Terminal, rows: pa.RecordBatchReader, whole: str = "--output FILE.csv (or .json, .parquet)"
) -> None:
    """Write the first rows to stdout, and to stderr whether there are more; ``whole`` says how to have all of them."""
    import pyarrow as pa  # noqa: PLC0415 - a fifth of a second that no help needs

    table = Table(box=SIMPLE_HEAD, show_edge=False)
    for column in rows.schema:
        is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        is_number = is_number or pa.types.is_decimal(column.type)
        table.add_column(Text(visible(column.name)), justify="right" if is_number else "left", overflow="fold")
    found = list(islice(_rows(rows), MOST_ROWS + 1))
    for row in found[:MOST_ROWS]:
        table.add_row(*(_cell(value) for value in row))
    terminal.show(table)
    if len(found) > MOST_ROWS:
        terminal.note(f"These are the first {MOST_ROWS} rows. All of them: {whole}.")
    else:
        terminal.note(f"{len(found)} row{'' if len(found) == 1 else 's'}.")


def _rows(rows: pa.RecordBatchReader) -> Iterator[tuple[object, ...]]:
    for batch in rows:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _cell(value: object) -> Text:
    if value is None:
        return Text("")
    return Text(f"{value:.15g}" if isinstance(value, float) else visible(text_of(value) or ""))
