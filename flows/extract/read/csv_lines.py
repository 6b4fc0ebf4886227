"""The lines of a CSV file, as bytes: cut into blocks, counted, and parsed: records, and lines that are none.

No value of a trip file holds a line end. So each line is one record whatever its quotes say, and a quote that is opened
in one line and closed in another is a stray one: a parser of CSV would take all lines between them for one value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from flows.tlc.errors import NotTripFile

# The widest trip has 25 columns in 300 bytes. A "line" longer than this is none, and would have to fit in memory.
LONGEST_LINE = 1 << 20
# What NumPy looks at in one go: its intermediate arrays stay in the processor's cache.
_PIECE_BYTES = 64 << 10
_LF, _CR, _QUOTE, _COMMA = b'\n\r",'
_LONE_CR = re.compile(rb"\r(?!\n)")
_LINE = re.compile(rb"[^\r\n]+")
_QUOTED = re.compile(rb'"(?:[^"]++|"")*+"')
_FIELD = rb'(?:"(?:[^"]++|"")*+"|[^",]*+)'
_RECORD = re.compile(_FIELD + rb"(?:," + _FIELD + rb")*+")


def read_blocks(stream: IO[bytes] | Any, rest: bytes, size: int) -> Iterator[bytes]:
    """Blocks of whole lines, each of about ``size`` bytes: ``rest``, read before, and all that the stream has.

    A line ends with LF, CRLF or CR, as Arrow has it too; the last one gets its end if the file has none.
    """
    while piece := stream.read(size):
        # A CR at the very end may be half of a CRLF.
        end = max(piece.rfind(b"\n"), piece.rfind(b"\r", 0, -1)) + 1
        if end:
            yield rest + memoryview(piece)[:end]
        rest = piece[end:] if end else rest + piece
        if len(rest) > LONGEST_LINE:
            raise NotTripFile(
                f"the file has a line of more than {LONGEST_LINE:,} bytes, which begins with {rest[:40]!r}: no "
                "trip has as many. Look at what the source delivers."
            )
    if rest:
        yield rest if rest.endswith((b"\n", b"\r")) else rest + b"\n"


def read_ahead(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The blocks, each read (and decompressed) while the one before is parsed; no reading goes on after the end."""
    with ThreadPoolExecutor(1, "csv-read-ahead") as thread:
        following = thread.submit(next, blocks, b"")
        while block := following.result():
            following = thread.submit(next, blocks, b"")
            yield block


def regular_lines(block: bytes) -> int | None:
    """How many lines the block has, by its LFs; None if its quotes are such that a parser might join or bend lines.

    Without quotes a parser does neither. It costs 3 % of parsing the block, 40 % if each value is quoted.
    """
    codes, has_quotes = np.frombuffer(block, np.uint8), b'"' in block
    # A lone CR ends a line as well, and could make up for two lines that quotes join.
    if has_quotes and b"\r" in block and _LONE_CR.search(block):
        return None
    lines = start = 0
    while start < len(block):
        end = block.find(b"\n", start + _PIECE_BYTES) + 1 or len(block)
        piece, start = codes[start:end], end
        if has_quotes and not _is_well_quoted(piece):
            return None
        lines += int(np.count_nonzero(piece == _LF))
    return lines


def parse_lines(lines: bytes, column_names: Sequence[str], rows: int) -> pa.RecordBatch | None:
    """Whole lines as one batch of bytes; None if Arrow takes them for anything else than so many ``rows``.

    A block at a time, not Arrow's stream of a whole file: that one takes a read of a few bytes for the file's end, goes
    on reading after an error, and cannot be asked how many rows it made of which lines.
    """
    places = [str(place) for place in range(len(column_names))]  # a name may be there twice
    if not rows:
        return pa.record_batch([pa.array([], pa.binary()) for _ in places], names=column_names)
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(lines),
            read_options=pa_csv.ReadOptions(column_names=places, block_size=len(lines) + 1, use_threads=False),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(places, pa.binary()),
                null_values=[""],  # Arrow's own list has "NA" and "null", which are values here
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        return None
    return table.rename_columns(column_names).to_batches()[0] if table.num_rows == rows else None


def lines_of(block: bytes) -> Iterator[bytes]:
    """The lines without their ends, and without the blank ones."""
    return (found[0] for found in _LINE.finditer(block))


def field_count(line: bytes) -> int | None:
    """How many fields a line has; None if a stray quote leaves open where they end."""
    if b'"' not in line:
        return line.count(b",") + 1
    return _QUOTED.sub(b"", line).count(b",") + 1 if _RECORD.fullmatch(line) else None


def _is_well_quoted(codes: Any) -> bool:
    """Whether the quotes of whole lines, one by one, open a value after a delimiter and close one before a delimiter.

    A value may still reach over lines' ends: then a parser finds fewer rows than LFs. As the codes end with a line's
    end, there is one before the first of them too, and one after each quote.
    """
    quotes = np.flatnonzero(codes == _QUOTE)
    before, after = codes[quotes[0::2] - 1], codes[quotes[1::2] + 1]
    return before.size == after.size and _may_be_beside(before) and _may_be_beside(after)


def _may_be_beside(codes: Any) -> bool:
    """Whether all may stand beside a quote: a delimiter, a line end, the other half of a doubled quote."""
    return bool(((codes == _COMMA) | (codes == _LF) | (codes == _CR) | (codes == _QUOTE)).all())
