"""How large the pages of a Parquet file are by their own headers, which Arrow reads them by: the footer may lie.

pyarrow does not show them. They are structures of Thrift's compact protocol. Whatever no writer puts there is refused,
so that this reader and Arrow's cannot see different numbers in one header.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa

# Bytes that are read of a header: most have some 30. Texts in its statistics make it longer.
_SHORT, _LONGEST = 512, 64 << 10
_DATA, _DICTIONARY, _DATA_2 = 0, 2, 3  # kinds of pages, as the format numbers them
# Where a kind has its own structure in the header, and where that has the encoding; its first field counts the values.
_PARTS = {_DATA: (5, 2), _DICTIONARY: (7, 2), _DATA_2: (8, 4)}
_MOST_FIELDS, _DEEPEST = 15, 3  # of a structure, and structures in each other: header, kind, statistics


@dataclass(frozen=True)
class Page:
    """``size``: bytes in memory, packed or not, whichever is more; ``encoding``: its number in the format."""

    is_dictionary: bool
    size: int
    values: int
    encoding: int


def read_pages(file: IO[bytes], chunk: Any) -> Iterator[Page]:
    """The pages of one column of a row group, as far as Arrow reads them: until they have the values it announces.

    Raises ArrowInvalid if a header is none, or the pages are not at most one dictionary and then values.
    """
    place, left, is_first = _start(chunk), chunk.num_values, True
    while left > 0:
        try:
            page, place = _page_at(file, place)
        except (LookupError, TypeError, ValueError) as error:
            raise pa.ArrowInvalid(f"at byte {place:,}, where {chunk.path_in_schema!r} has a page, is none") from error
        left -= 0 if page.is_dictionary else page.values
        if left < 0 or (page.is_dictionary and not is_first):
            raise pa.ArrowInvalid(f"the pages of {chunk.path_in_schema!r} are not those of {chunk.num_values:,} values")
        yield page
        is_first = False


def _start(chunk: Any) -> int:
    dictionary = chunk.dictionary_page_offset or 0
    return int(min(dictionary, chunk.data_page_offset) if dictionary > 0 else chunk.data_page_offset)


def _page_at(file: IO[bytes], place: int) -> tuple[Page, int]:
    """The page at that byte of the file, and where the next one begins; LookupError, TypeError, ValueError if none."""
    try:
        header, length = _header_at(file, place, _SHORT)
    except IndexError:
        header, length = _header_at(file, place, _LONGEST)
    kind, unpacked, packed = header[1], header[2], header[3]
    part, encoding = _PARTS[kind]
    page = Page(kind == _DICTIONARY, max(unpacked, packed), header[part][1], header[part][encoding])
    if min(unpacked, packed, page.values) < 0 or not (page.values or page.is_dictionary):
        raise ValueError("a size below zero, or no value")
    return page, place + length + packed


def _header_at(file: IO[bytes], place: int, most_bytes: int) -> tuple[dict[int, Any], int]:
    file.seek(place)
    reader = _Compact(file.read(most_bytes))
    return reader.structure(), reader.place


class _Compact:
    """Thrift's compact protocol, as far as headers of pages need it."""

    def __init__(self, content: bytes):
        self.place = 0
        self._content = content

    def structure(self, depth: int = 1) -> dict[int, Any]:
        """Fields by number. Raises IndexError if the content ends before it, ValueError if no header has such."""
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number += head >> 4
            if number in fields or not 0 < number <= _MOST_FIELDS or depth > _DEEPEST:
                raise ValueError("fields that no header has")
            fields[number] = self._value(head & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        match kind:
            case 1 | 2:  # true, false
                return None
            case 4 | 5 | 6:  # integers
                number = self._varint()
                return (number >> 1) ^ -(number & 1)
            case 8:  # bytes
                length = self._varint()
                self.place += length
                return None
            case 12:
                return self.structure(depth + 1)
        raise ValueError("a type that no header has")

    def _varint(self) -> int:
        number = 0
        for shift in range(0, 64, 7):
            byte = self._byte()
            number |= (byte & 127) << shift
            if not byte & 128:
                return number
        raise ValueError("a number without an end")

    def _byte(self) -> int:
        self.place += 1
        return self._content[self.place - 1]
