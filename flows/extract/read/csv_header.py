"""The header of a CSV file: its columns' names, or a sentence on what is there instead."""

from __future__ import annotations

import csv
import re
from typing import IO, Any

from flows.extract.read.csv_lines import field_count
from flows.extract.read.parquet_bounds import MOST_COLUMNS
from flows.tlc.errors import NotTripFile

# The longest header of TLC has 500 bytes.
HEADER_BYTES = 64 << 10
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
# Marks of UTF-8 (a file that was saved twice has two) and blank lines may precede the header.
_HEADER = re.compile(rb"(?:\xef\xbb\xbf|[ \t]*[\r\n])*+([^\r\n]*+)(?:\r\n?|\n|\Z)")
_DATE = re.compile(r"\d{1,4}[-/]\d{1,2}[-/]\d{1,4}")
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_LOOK = "Look at what the source delivers."


def read_header(stream: IO[bytes] | Any) -> tuple[list[str], bytes]:
    """The columns' names, and what has been read of the lines after them.

    Raises NotTripFile if the first line is no header: text in another encoding, with other delimiters, a trip.
    """
    head = stream.read(HEADER_BYTES)
    found = _HEADER.match(head)
    assert found is not None, "it matches nothing at all too"
    line = found[1]
    if found.end(1) == HEADER_BYTES:
        raise NotTripFile(
            f"the file's header is longer than {HEADER_BYTES:,} bytes: it starts with {line[:40]!r}. {_LOOK}"
        )
    problem = _bytes_problem(line)
    names = [] if problem else _names(line.decode())
    problem = problem or _names_problem(names)
    if problem:
        raise NotTripFile(f"{problem}: it starts with {line[:80]!r}. {_LOOK}")
    return names, head[found.end() :]


def _names(line: str) -> list[str]:
    return [name.strip() for name in next(csv.reader([line]), [])]


def _bytes_problem(line: bytes) -> str | None:
    if line.startswith(UTF_16_MARKS) or b"\0" in line:
        return "the file is UTF-16 or no text at all, expected CSV in UTF-8"
    try:
        line.decode()
    except UnicodeDecodeError:
        return "the file is neither Parquet nor CSV in UTF-8"
    return "the file's header has a stray quote" if field_count(line) is None else None


def _names_problem(names: list[str]) -> str | None:
    if len(names) > MOST_COLUMNS:
        return f"the file has {len(names):,} columns, expected {MOST_COLUMNS} at most"
    if any(_DATE.match(name) for name in names):
        return "the file has no header: its first line is a trip, expected the names of the columns"
    for delimiter, word in _OTHER_DELIMITERS.items():
        if sum(name.count(delimiter) for name in names) >= len(names):
            return f"the file's columns are parted by {word}, expected commas"
    return None
