"""What each row of a mutated file has to become: the rules of flows/tlc/schemas, read and applied a second time.

Nothing of flows/ is used here. A raw value is None, str, bytes, bool, int, float, Decimal, a ``Stamp``, a ``Day``,
or ``Other`` for what no column can hold.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.fuzz.columns import Plan, schema

EPOCH = datetime(1970, 1, 1)
MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?", re.ASCII)
BITS = {"int16": 16, "int32": 32}


@dataclass(frozen=True)
class Stamp:
    """A time of Arrow: ``count`` units since 1970."""

    count: int
    unit: str
    zone: str | None = None


@dataclass(frozen=True)
class Day:
    """A date: ``count`` days since 1970."""

    count: int


class Other:
    """A value of a type that fits no column: a list, a struct."""


@dataclass(frozen=True)
class Like:
    """A text whose exact spelling nobody promises: ``is_right`` says whether one stands for the value."""

    is_right: Callable[[str], bool]


class Unfit(Exception):
    """The value does not fit its column."""


@dataclass
class Expected:
    """The rows that are loaded, in order, one tuple each, and how many others there are; or that it has to fail."""

    names: list[str] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    rejected: int = 0
    must_fail: str = ""
    may_fail: bool = False


def expect(dataset: str, found: Plan, rows: Sequence[Sequence[Any]], lost: int, share: float) -> Expected:
    """What has to become of ``rows`` of raw values; ``lost`` lines of the file are no rows at all."""
    expected = Expected(list(found.columns), rejected=lost, must_fail=found.must_fail, may_fail=found.may_fail)
    if found.must_fail:
        return expected
    missing_words = schema(dataset)["missing_words"]
    for row in rows:
        if any(not _is_blank(row[place], missing_words) for place in found.nameless):
            expected.must_fail = "a column without a name has values"
        values: dict[str, Any] = {}
        is_bad = False
        for name, column in found.columns.items():
            values[name] = None
            for place in found.places.get(name, ()):
                try:
                    value = fit(row[place], column, missing_words)
                except Unfit:
                    is_bad = True
                    continue
                if values[name] is None:
                    values[name] = value
                elif isinstance(value, Like):
                    expected.may_fail = True
                elif value is not None and value != values[name]:
                    expected.must_fail = "two columns for one differ"
            is_bad = is_bad or (values[name] is None and column.get("required", False))
        if is_bad:
            expected.rejected += 1
        else:
            expected.rows.append(tuple(values.values()))
    if expected.rejected > share * (len(rows) + lost):
        expected.must_fail = expected.must_fail or f"{expected.rejected} bad rows"
    return expected


def _is_blank(value: Any, missing_words: set[str]) -> bool:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and value.strip().upper() in missing_words)


def fit(value: Any, column: dict[str, Any], missing_words: set[str]) -> Any:
    """The value in the column's type: times in microseconds since 1970. Raises Unfit."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    kind = column["type"]
    if isinstance(value, bool):
        if column.get("values") and "TRUE" not in column["text_values"]:
            raise Unfit
        value = str(value).lower()
    if isinstance(value, Decimal):
        value = Like(lambda text, number=value: Decimal(text) == number) if kind == "text" else str(value)
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            raise Unfit from None
    if isinstance(value, Other):
        raise Unfit
    if kind == "text":
        return _text(value, column)
    if isinstance(value, str):
        word = value.strip()
        if (code := column["text_codes"].get(word.upper())) is not None:
            return code
        if word.upper() in missing_words:
            return None
        return _parsed(word, kind)
    return _stamp(value) if kind == "timestamp" else _number(value, kind)


def _text(value: Any, column: dict[str, Any]) -> Any:
    replaced = column.get("text_values", {})
    if isinstance(value, str):
        found = replaced.get(value.strip().upper())
        if found is None and "\0" in value:
            raise Unfit
        return value if found is None else found
    if isinstance(value, int | float):
        if replaced and value in (0, 1) and math.copysign(1, value) > 0:
            return replaced[str(int(value))]
        return str(value) if isinstance(value, int) else Like(lambda text: value in (float(text), _single(text)))
    if isinstance(value, Stamp | Day) and not getattr(value, "zone", None):
        days = value.count if isinstance(value, Day) else value.count // (86_400_000_000_000 // _nanoseconds(value))
        if not 0 <= days + EPOCH.toordinal() - 1 < date.max.toordinal():
            return Like(bool)
        start = str(date.fromordinal(days + EPOCH.toordinal()))
        return Like(lambda text: text.startswith(start))
    return value if isinstance(value, Like) else Like(bool)


def _single(text: str) -> float:
    """The text of a float32 is as short as tells it from other float32s."""
    try:
        return struct.unpack("f", struct.pack("f", float(text)))[0]
    except OverflowError:
        return math.inf


def _nanoseconds(stamp: Stamp) -> int:
    return 1 if stamp.unit == "ns" else MICROSECONDS[stamp.unit] * 1_000


def _parsed(word: str, kind: str) -> Any:
    if kind == "timestamp":
        found = TIME.fullmatch(word)
        if not found:
            raise Unfit
        *parts, fraction = found.groups()
        try:
            moment = datetime(*(int(part or 0) for part in parts), int((fraction or "0").ljust(6, "0")[:6]))
        except ValueError:
            raise Unfit from None
        return (moment - EPOCH) // timedelta(microseconds=1)
    if not NUMBER.fullmatch(word):
        raise Unfit
    return _number(float(word), kind)


def _number(value: Any, kind: str) -> Any:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise Unfit
    if kind == "float64":
        return float(value)
    limit = 1 << BITS[kind] - 1
    if value != int(value) or not -limit <= value < limit:
        raise Unfit
    return int(value)


def _stamp(value: Any) -> int:
    if isinstance(value, Day):
        value = Stamp(value.count * 86_400, "s")
    if not isinstance(value, Stamp) or value.zone:
        raise Unfit
    count = value.count // 1_000 if value.unit == "ns" else value.count * MICROSECONDS[value.unit]
    first, last = ((moment - EPOCH) // timedelta(microseconds=1) for moment in (datetime.min, datetime.max))
    if not first <= count <= last:
        raise Unfit
    return count


def is_same(expected: Any, got: Any) -> bool:
    if isinstance(expected, Like):
        return isinstance(got, str) and expected.is_right(got)
    if isinstance(expected, float) and isinstance(got, float):
        return struct.pack("d", expected) == struct.pack("d", got)
    return type(expected) is type(got) and expected == got
