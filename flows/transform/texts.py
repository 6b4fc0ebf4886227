"""Text and bytes of every kind that a file can hold, as one kind of text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from flows.tlc.schema import missing_words

# What Postgres' text cannot hold.
NUL = "\x00"


@dataclass(frozen=True)
class Texts:
    """Texts, and the positions of values that are bytes without UTF-8 (null among the texts).

    ``ascii`` has all their letters if these are ASCII without NUL, else None: a look at it costs a tenth of what
    Arrow's functions for texts do.
    """

    values: pa.StringArray
    ascii: bytes | None
    undecodable: list[int]

    @classmethod
    def of(cls, values: pa.Array[Any]) -> Texts:
        """``values`` are of a type for which ``is_text`` is true."""
        # A text of fixed size is filled up with NUL to its size, as numpy and C do.
        is_padded = pt.is_fixed_size_binary(values.type)
        values = values.cast(pa.binary())
        texts = values.view(pa.string())
        letters = _letters(texts)
        if letters is None and not _is_utf8(values):
            texts, undecodable = _decoded(values)
        else:
            undecodable = []
        if is_padded and letters is None:
            texts = pc.utf8_rtrim(texts, NUL)
        return cls(texts, letters, undecodable)

    def replaced(self, replacements: Mapping[str, Any]) -> pa.StringArray:
        """Texts in ``replacements`` (upper case, without blanks around them) by their replacement."""
        if not replacements or not self._may_have(replacements):
            return self.values
        keys = pa.array(list(replacements), pa.string())
        found = pc.index_in(pc.utf8_upper(pc.utf8_trim_whitespace(self.values)), keys)
        if found.null_count == len(found):
            return self.values
        words = pa.array([str(word) for word in replacements.values()], pa.string())
        return pc.coalesce(pc.take(words, found), self.values)

    def _may_have(self, words: Mapping[str, Any]) -> bool:
        """Whether the first letter of any of the words is there."""
        initials = "".join({word[0] for word in words})
        return self.ascii is None or len(self.ascii.translate(None, (initials + initials.lower()).encode())) < len(
            self.ascii
        )


def is_text(kind: pa.DataType) -> bool:
    """Whether values of that type are text, or bytes that may be; views are not counted."""
    is_string = pt.is_string(kind) or pt.is_large_string(kind)
    return is_string or pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_fixed_size_binary(kind)


def without_missing(texts: pa.StringArray) -> pa.StringArray:
    """Texts without the blanks around them; null if nothing is left, or a word for a missing value."""
    trimmed = pc.utf8_trim_whitespace(texts)
    is_missing = pc.is_in(pc.utf8_upper(trimmed), value_set=pa.array(["", *missing_words()]))
    return pc.if_else(is_missing, pa.scalar(None, pa.string()), trimmed)


def _letters(texts: pa.StringArray) -> bytes | None:
    """All letters of the texts, one text after the other, if they are ASCII without NUL."""
    _, offsets, letters = texts.buffers()
    if letters is None or not len(texts):
        return b""
    first, end = np.frombuffer(offsets, np.int32)[[texts.offset, texts.offset + len(texts)]].tolist()
    found: bytes = letters.slice(first, end - first).to_pybytes()
    return found if found.isascii() and NUL.encode() not in found else None


def _is_utf8(values: pa.BinaryArray) -> bool:
    try:
        values.cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _decoded(values: pa.BinaryArray) -> tuple[pa.StringArray, list[int]]:
    texts = [_decode(value) for value in values.to_pylist()]
    undecodable = [row for row, text in enumerate(texts) if text is None and values[row].is_valid]
    return pa.array(texts, pa.string()), undecodable


def _decode(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None
