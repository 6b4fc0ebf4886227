"""Where a query's rows go: which format, into which file or to stdout, and what is said of them."""

from __future__ import annotations

import codecs
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

from flows.cli.terminal import Terminal
from flows.tlc.errors import ParameterError
from flows.tlc.visible import visible_lines

if TYPE_CHECKING:
    import pyarrow as pa

    from flows.cli.row_formats import FileFormat

FormatName = Literal["table", "csv", "json", "parquet"]


def format_of(terminal: Terminal, wanted: FormatName | None, output: Path | None) -> FormatName:
    """The format that was asked for, or that the file's name or the terminal suggests. Raises ParameterError."""
    from flows.cli.row_formats import FILE_FORMATS  # noqa: PLC0415 - Arrow takes a fifth of a second

    if output is None:
        if wanted == "parquet":
            raise ParameterError("Parquet is written to a file: say which with --output.")
        return wanted or ("table" if terminal.out.is_terminal else "csv")
    if wanted == "table":
        raise ParameterError("a table is for the terminal: leave out --output, or choose csv, json or parquet.")
    ending = output.suffix.lower().removeprefix(".")
    if wanted is None and ending not in FILE_FORMATS:
        raise ParameterError(f"--output {output}: say with --format what it is to be, or end it with .csv or .parquet.")
    return wanted or cast("FileFormat", ending)


def write_rows(
    terminal: Terminal, rows: pa.RecordBatchReader, file_format: FileFormat, output: Path | None, *, raw: bool
) -> None:
    """Write all rows into the file, or to stdout; say on stderr how many, and what was changed in them."""
    from flows.cli.whole_file import whole_file  # noqa: PLC0415

    if output is None:
        _write_to_stdout(terminal, rows, file_format, raw=raw)
        return
    with whole_file(output) as file:
        count, guarded = _copy(rows, file_format, file, raw=raw)
    terminal.note(f"{count:,} rows, {output.stat().st_size:,} bytes → {output}")
    _say_guarded(terminal, guarded)


def _write_to_stdout(terminal: Terminal, rows: pa.RecordBatchReader, file_format: FileFormat, *, raw: bool) -> None:
    try:
        stdout = sys.stdout.buffer
        # Arrow's writer tells this one by its methods, as it does files.
        file = cast("BinaryIO", _VisibleOutput(stdout)) if file_format == "csv" and sys.stdout.isatty() else stdout
        _, guarded = _copy(rows, file_format, file, raw=raw)
        stdout.flush()
    except BrokenPipeError:  # head, or whoever else has read enough; what Python still has is not sent
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    _say_guarded(terminal, guarded)


class _VisibleOutput(io.RawIOBase):
    """CSV on its way to a terminal, which what is in the data would else steer: for a person, not for a program."""

    def __init__(self, terminal: BinaryIO):
        self._terminal = terminal
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def writable(self) -> bool:
        return True

    def write(self, csv: Any) -> int:
        self._terminal.write(visible_lines(self._decoder.decode(bytes(csv))).encode())
        return len(csv)


def _copy(rows: pa.RecordBatchReader, file_format: FileFormat, file: BinaryIO, *, raw: bool) -> tuple[int, int]:
    """Write all rows; returns how many, and how many cells have got an apostrophe."""
    from flows.cli.row_formats import open_rows  # noqa: PLC0415

    written = open_rows(file_format, file, rows.schema, guard=not raw)
    for batch in rows:
        written.write(batch)
    written.finish()
    return written.rows, written.guarded


def _say_guarded(terminal: Terminal, cells: int) -> None:
    if cells:
        terminal.note(
            f"{cells:,} cells begin with an apostrophe that is not in the data, since spreadsheets would take them for "
            "formulas: --raw leaves it out."
        )
