"""Values one by one, for the few batches in which something does not fit: the grammar of ``cast``, spelt out."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from flows.tlc.column import Column

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}(:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?)?)?")
_TO_MICROSECOND = len("2020-01-02 03:04:05.123456")


def fit_each(values: pa.Array[Any], column: Column) -> tuple[pa.Array[Any], list[int]]:
    """Numbers in a number's column, or texts without blanks around them in any; else as ``cast_values``."""
    convert = _CONVERTERS[column.type]
    fitted: list[Any] = []
    uncastable: list[int] = []
    for position, value in enumerate(values.to_pylist()):
        try:
            fitted.append(None if value is None else convert(value))
        except ValueError:
            fitted.append(None)
            uncastable.append(position)
    return pa.array(fitted, column.arrow), uncastable


def _to_float(value: str | float) -> float:
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError("no number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _to_integer(bits: int) -> Callable[[Any], int]:
    limit = 1 << (bits - 1)

    def convert(value: str | float) -> int:
        number = _to_float(value)
        if not number.is_integer() or not -limit <= number < limit:
            raise ValueError(f"no {bits}-bit integer")
        return int(number)

    return convert


def _to_timestamp(text: str) -> datetime:
    if not _TIME.fullmatch(text):
        raise ValueError("no time")
    return datetime.fromisoformat(text[:_TO_MICROSECOND])


def _to_date(text: str) -> date:
    return _to_timestamp(text).date() if len(text) == len("2020-01-02") else _to_timestamp("")


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "int16": _to_integer(16),
    "int32": _to_integer(32),
    "float64": _to_float,
    "timestamp": _to_timestamp,
    "date": _to_date,
}
