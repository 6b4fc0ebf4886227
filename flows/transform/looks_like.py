"""What kind of thing a value looks like that does not fit its column: the first hint at what went wrong in a file."""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time, timedelta
from typing import Any

from flows.tlc.column import Column
from flows.tlc.column_types import TypeName

# What a column's values have to be, in words.
EXPECTED: dict[TypeName, str] = {
    "int16": "a whole number from -32,768 to 32,767",
    "int32": "a whole number from -2,147,483,648 to 2,147,483,647",
    "float64": "a number",
    "text": "text in UTF-8",
    "timestamp": "YYYY-MM-DD hh:mm:ss, New York wall-clock time",
    "date": "YYYY-MM-DD",
}
_LONGEST = 40
_EPOCH = 100_000_000  # seconds: 1973

# The first that matches the whole text says what it is.
_LOOKS: tuple[tuple[str, str], ...] = (
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d.*(Z|UTC|[+-]\d\d(:?\d\d)?)", "a time with a zone"),
    (r"\d{4}-\d\d-\d\d.*", "a time"),
    (r"\d{1,2}/\d{1,2}/\d{2,4}.*", "a US date"),
    (r"\d{1,2}[.-]\d{1,2}[.-]\d{2,4}.*", "a date that begins with the day"),
    (r"\d{1,2}:\d\d.*", "a time of day"),
    (r"[+-]?(inf|infinity)", "an infinite number"),
    (r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", "a number with commas between thousands"),
    (r"[+-]?\d+,\d+", "a number with a decimal comma"),
    (r"[+-]?0x[0-9a-f]+", "a hexadecimal number"),
    (r"[$€£].*|.*\d *([$€£]|usd)", "an amount with its currency"),
    (r".*[^\W\d_].*", "a word"),
)
_TYPES = {datetime: "a time", date: "a date", time: "a time of day", timedelta: "a duration"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


def looks_like(value: Any, column: Column) -> str:
    """What ``value`` is, as the file has it in Python, where ``column`` expects something else."""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return "bytes that are no UTF-8"
    if isinstance(value, str):
        return _text_looks_like(value.strip(), column)
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return _number_looks_like(value, column)
    return next((words for kind, words in _TYPES.items() if isinstance(value, kind)), "a nested value")


def shown_value(value: Any) -> str:
    """The value as the file has it, escaped if it cannot be read, and not longer than a line."""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return repr(value[:_LONGEST])[1:]
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…")
    return str(value)[:_LONGEST]


def _text_looks_like(text: str, column: Column) -> str:
    if "\x00" in text:
        return "a text with a NUL"
    if _NUMBER.fullmatch(text):
        return _number_looks_like(float(text), column)
    found = (words for pattern, words in _LOOKS if re.fullmatch(pattern, text, re.IGNORECASE | re.DOTALL))
    words = next(found, "no such value")
    return "no time of any calendar" if words == "a time" and column.type == "timestamp" else words


def _number_looks_like(number: float, column: Column) -> str:
    if not math.isfinite(number):
        return "an infinite number"
    if column.type in ("timestamp", "date"):
        return "an epoch number" if abs(number) >= _EPOCH else "a number"
    return "a number with a fraction" if number % 1 else "a number too large for its type"
