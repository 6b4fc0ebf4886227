"""Parquet footers that say what is not so: fields of their columns rewritten, in Thrift's compact protocol."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

# A structure is {field's number: (type, value)}, a list (type of its items, items).
_TRUE, _FALSE, _BYTE, _BINARY, _LIST, _STRUCT = 1, 2, 3, 8, 9, 12
_INTEGERS = (4, 5, 6)
# Fields of a file, of a row group, of a column chunk, and of what that says of its column.
_ROWS, _ROW_GROUPS, _COLUMNS, _METADATA = 3, 4, 1, 3
ENCODINGS, PATH, UNCOMPRESSED_SIZE, DATA_PAGE, DICTIONARY_PAGE = 2, 3, 6, 9, 11
Fields = dict[int, tuple[int, Any]]


def lie(path: Path, column: str, change: Callable[[Fields], None]) -> None:
    """Apply ``change`` to what the footer of the file says of that column, in each row group."""

    def change_columns(footer: Fields) -> None:
        for group in footer[_ROW_GROUPS][1][1]:
            for chunk in group[_COLUMNS][1][1]:
                fields = chunk[_METADATA][1]
                if fields[PATH][1][1] == [column.encode()]:
                    change(fields)

    _rewrite(path, change_columns)


def say_rows(path: Path, rows: int) -> None:
    """Have the footer say that the file has so many."""
    _rewrite(path, lambda footer: footer.update({_ROWS: (6, rows)}))


def _rewrite(path: Path, change: Callable[[Fields], None]) -> None:
    content = path.read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    footer = _Reader(content[start:-8]).value(_STRUCT)
    change(footer)
    written = _written(_STRUCT, footer)
    path.write_bytes(content[:start] + written + len(written).to_bytes(4, "little") + b"PAR1")


def small_and_plain(fields: Fields) -> None:
    """A thousand bytes of plain values, without a dictionary: its page is said to be the first of values."""
    if DICTIONARY_PAGE in fields:
        fields[DATA_PAGE] = fields.pop(DICTIONARY_PAGE)
    fields[UNCOMPRESSED_SIZE] = (6, 1_000)
    fields[ENCODINGS] = (_LIST, (5, [0]))


class _Reader:
    def __init__(self, content: bytes):
        self._left = iter(content)

    def value(self, kind: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return None
        if kind == _BYTE:
            return next(self._left)
        if kind in _INTEGERS:
            number = self._varint()
            return (number >> 1) ^ -(number & 1)
        if kind == _BINARY:
            return bytes(next(self._left) for _ in range(self._varint()))
        if kind == _LIST:
            head = next(self._left)
            items = self._varint() if head >> 4 == 15 else head >> 4
            one = self.value if head & 15 > _FALSE else lambda _kind: next(self._left)
            return head & 15, [one(head & 15) for _ in range(items)]
        assert kind == _STRUCT, kind
        return dict(self._fields())

    def _fields(self):
        number = 0
        while head := next(self._left):
            number += head >> 4
            assert head >> 4, "fields far from each other"
            yield number, (head & 15, self.value(head & 15))

    def _varint(self) -> int:
        number = shift = 0
        while (byte := next(self._left)) > 127:
            number, shift = number | (byte & 127) << shift, shift + 7
        return number | byte << shift


def _written(kind: int, value: Any) -> bytes:
    if kind in (_TRUE, _FALSE):
        return b""
    if kind == _BYTE:
        return bytes([value])
    if kind in _INTEGERS:
        return _varint((value << 1) ^ (value >> 63))
    if kind == _BINARY:
        return _varint(len(value)) + value
    if kind == _LIST:
        of, items = value
        one = _written if of > _FALSE else lambda _kind, item: bytes([item])
        return bytes([0xF0 | of]) + _varint(len(items)) + b"".join(one(of, item) for item in items)
    last, found = 0, b""
    for number, (of, item) in sorted(value.items()):
        found += bytes([(number - last) << 4 | of]) + _written(of, item)
        last = number
    return found + b"\0"


def _varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])
