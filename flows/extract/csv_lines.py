"""The bytes of a CSV file, with those that are no text escaped where Arrow would take the whole file for broken.

Arrow hands a ragged line to its handler as text, and where its bytes are no UTF-8 it fails the file instead: one line
would refuse the month. In a line that has all of its fields such bytes stay, and reject that row.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import IO, Any

# A "line" longer than this is none: it is passed on as it is.
_LONGEST_LINE = 1 << 20


@dataclass
class EscapedLines:
    """A stream to read: ``stream`` of a CSV file with ``fields`` columns, its ragged lines made text.

    A byte that is no text becomes ``\\xff``, as in the record that is kept of a rejected row.
    """

    stream: IO[bytes] | Any
    fields: int
    closed: bool = False
    _ready: bytes = b""
    _line: bytes = field(default=b"", repr=False)  # the last line, as far as it has been read

    def read(self, size: int) -> bytes:
        """The next bytes, at most ``size``; empty at the end."""
        while not self._ready:
            piece = self.stream.read(size)
            end = piece.rfind(b"\n") + 1
            if piece and not end and len(self._line) < _LONGEST_LINE:
                self._line += piece
                continue
            end = end or len(piece)
            self._ready, self._line = self._escaped(self._line + piece[:end]), piece[end:]
            if not piece:
                break
        taken, self._ready = self._ready[:size], self._ready[size:]
        return taken

    def close(self) -> None:
        """Nothing: who opened the stream closes it."""

    def _escaped(self, lines: bytes) -> bytes:
        """``lines``, whole ones, with the ragged ones among them as text."""
        if lines.isascii() or _is_text(lines):
            return lines
        escaped, is_quoted = [], False
        for line in lines.splitlines(keepends=True):
            # A quoted value may hold a line's end: what begins or ends inside one is no line of its own.
            was_quoted, is_quoted = is_quoted, is_quoted ^ (line.count(b'"') % 2 == 1)
            is_whole = not was_quoted and not is_quoted
            if is_whole and not _is_text(line) and self._is_ragged(line):
                line = line.decode("utf-8", "backslashreplace").encode()  # noqa: PLW2901
            escaped.append(line)
        return b"".join(escaped)

    def _is_ragged(self, line: bytes) -> bool:
        try:
            return len(next(csv.reader([line.decode("latin-1")]))) != self.fields
        except (csv.Error, StopIteration):
            return False


def _is_text(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
