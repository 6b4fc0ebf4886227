"""What is wrong with the rows of a file that cannot be loaded, column by column: for the month's error."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from flows.tlc.column import Column
from flows.tlc.column_types import TypeName
from flows.tlc.dataset import Dataset

_VALUES = 2
_COLUMNS = 3
# So many columns with uncastable values at once are no matter of each column.
_SHIFTED = 4
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


@dataclass
class Uncastable:
    """The values of one column that do not fit it: how many, the first two as the file has them, and its type there."""

    column: Column
    kind: pa.DataType
    rows: int = 0
    values: list[Any] = field(default_factory=list)

    def add(self, value: Any) -> None:
        """Count one more."""
        self.rows += 1
        if len(self.values) < _VALUES and value not in self.values:
            self.values.append(value)

    def __str__(self) -> str:
        shown = " and ".join(shown_value(value) for value in self.values)
        values = f"{self.rows:,} values such as" if self.rows > 1 else "the value"
        return f"{self.column.name} has {values} {shown} ({self._looks}; expected {EXPECTED[self.column.type]})"

    @property
    def _looks(self) -> str:
        if pa.types.is_timestamp(self.kind) and self.column.type in ("timestamp", "date"):
            zone = self.kind.tz
            return f"its times have the time zone {zone}" if zone else "a time before the year 1 or after 9999"
        return " and ".join(dict.fromkeys(looks_like(value, self.column) for value in self.values))


@dataclass
class Faults:
    """All faults of a file so far."""

    uncastable: dict[str, Uncastable] = field(default_factory=dict)
    missing: Counter[str] = field(default_factory=Counter)
    bad_lines: int = 0
    lines: list[str] = field(default_factory=list)

    def add(self, uncastable: Iterable[Uncastable], missing: Counter[str]) -> None:
        """Those of one more batch."""
        self.missing += missing
        for found in uncastable:
            known = self.uncastable.setdefault(found.column.name, Uncastable(found.column, found.kind))
            known.rows += found.rows
            known.values = (known.values + [one for one in found.values if one not in known.values])[:_VALUES]

    def add_lines(self, lines: Iterable[str]) -> None:
        """Lines that are no rows: what is wrong with each, and its text."""
        for line in lines:
            self.bad_lines += 1
            if len(self.lines) < _VALUES and line not in self.lines:
                self.lines.append(line)

    def sentence(self) -> str:
        """The worst columns and lines, with values."""
        worst = sorted(self.uncastable.values(), key=lambda uncastable: -uncastable.rows)
        parts = [str(uncastable) for uncastable in worst[:_COLUMNS]]
        if len(worst) > _COLUMNS:
            parts.append(f"so have {len(worst) - _COLUMNS} more columns")
        parts += [f"{name} has no value in {rows:,} rows" for name, rows in self.missing.items()]
        if self.lines:
            parts.append(f"{self.bad_lines:,} lines that are no rows, such as {' and '.join(self.lines)}")
        return "; ".join(parts)

    def remedy(self, dataset: Dataset) -> str:
        """What to do about it."""
        coded = next((each.column for each in self.uncastable.values() if each.column.text_codes), None)
        if len(self.uncastable) >= _SHIFTED:
            return "Look at the file's first lines: its columns may have shifted."
        if coded:
            return (
                f"If these words are new ones, declare them under text_codes of {coded.name} in "
                f"flows/tlc/schemas/{dataset}.toml."
            )
        return "Look at what the source delivers there: python -m flows preview shows it."


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
    if isinstance(value, int | float | Decimal):
        return _number_looks_like(float(value), column)
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
