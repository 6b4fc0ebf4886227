"""Make a raw column fit its declared type, value by value where it must be; say which values do not fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.tlc.column import Column

# What Postgres' text cannot hold.
NUL = "\x00"
# Years 1 to 9999, in microseconds from 1970: what every target can hold, and Python. Not by Arrow, whose first value
# imports pandas.
_FIRST_TIME, _LAST_TIME = (
    (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1) for moment in (datetime.min, datetime.max)
)
_UNPARSABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError)


def fit_values(values: pa.Array[Any], column: Column) -> tuple[pa.Array[Any], list[int]]:
    """``values`` in the column's type, and the positions of those that do not fit it (null in the result).

    Whole numbers fit whatever the source wrote them as (1, 1.0 or "1"). NaN is how pandas writes a missing number:
    it becomes null. Times finer than a microsecond are cut to it.
    """
    values, undecodable = _as_text(values)
    if pa.types.is_floating(values.type):
        values = _nan_to_null(values)
    if pa.types.is_string(values.type) and column.text_codes:
        values = _replaced(values, {text: str(code) for text, code in column.text_codes.items()})
    if column.text_values:
        values = _replaced(pc.cast(values, pa.string()), column.text_values)
    try:
        return _fit_all(values, column.arrow), undecodable
    except _UNPARSABLE:
        fitted, unfit = _fit_each(values, column)
        return fitted, undecodable + unfit


def _as_text(values: pa.Array[Any]) -> tuple[pa.Array[Any], list[int]]:
    """Text of any kind as ``string``, and the positions of bytes that are no UTF-8 (null in the result)."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if not (pa.types.is_binary(values.type) or pa.types.is_large_string(values.type)):
        return values, []
    try:
        return pc.cast(values, pa.string()), []
    except _UNPARSABLE:
        texts = [_decoded(value) for value in values.to_pylist()]
        undecodable = [row for row, text in enumerate(texts) if text is None and values[row].is_valid]
        return pa.array(texts, pa.string()), undecodable


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _replaced(values: pa.Array[Any], replacements: Any) -> pa.Array[Any]:
    """Texts that stand in ``replacements`` (upper case, without blanks around them) by what stands for them there."""
    keys = pa.array(list(replacements), pa.string())
    found = pc.index_in(pc.utf8_upper(pc.utf8_trim_whitespace(values)), keys)
    if found.null_count == len(found):
        return values
    return pc.coalesce(pc.take(pa.array(list(replacements.values()), pa.string()), found), values)


def _fit_all(values: pa.Array[Any], target: pa.DataType) -> pa.Array[Any]:
    """The fast way: all at once, or ArrowInvalid."""
    if values.type == target:
        fitted = values
    elif pa.types.is_string(values.type) and pa.types.is_integer(target):
        fitted = _text_to_integer(values, target)
    elif pa.types.is_timestamp(values.type) and pa.types.is_timestamp(target):
        if values.type.tz is not None:
            raise pa.ArrowInvalid("a time with a zone")
        fitted = pc.cast(values, target, safe=values.type.unit != "ns")  # nanoseconds are cut
    elif pa.types.is_integer(values.type) and pa.types.is_timestamp(target):
        raise pa.ArrowInvalid("a number is no time: Arrow would count it from 1970")
    else:
        fitted = pc.cast(values, target)
    if pa.types.is_timestamp(target):
        _check_years(fitted)
    if pa.types.is_string(target) and pc.any(pc.match_substring(fitted, NUL)).as_py():
        raise pa.ArrowInvalid("NUL in a text")
    return _nan_to_null(fitted) if pa.types.is_floating(target) else fitted


def _text_to_integer(values: pa.Array[Any], target: pa.DataType) -> pa.Array[Any]:
    try:
        return pc.cast(values, target)
    except pa.ArrowInvalid:  # "1.0": how pandas writes whole numbers of a column with gaps
        return pc.cast(pc.cast(values, pa.float64()), target)


def _check_years(times: pa.Array[Any]) -> None:
    bounds = pc.min_max(times)
    for bound in (bounds["min"], bounds["max"]):
        if bound.is_valid and not _FIRST_TIME <= bound.value <= _LAST_TIME:
            raise pa.ArrowInvalid("a time beyond the year 9999")


def _nan_to_null(values: pa.Array[Any]) -> pa.Array[Any]:
    nan = pc.is_nan(values)
    if not pc.any(nan).as_py():
        return values
    return pc.if_else(nan, pa.nulls(len(values), values.type), values)


def _fit_each(values: pa.Array[Any], column: Column) -> tuple[pa.Array[Any], list[int]]:
    """The slow way, for the few batches in which something does not fit."""
    convert = _CONVERTERS[column.type]
    fitted: list[Any] = []
    unfit: list[int] = []
    for position, scalar in enumerate(values):
        try:
            value = scalar.as_py()
            fitted.append(None if value is None else convert(value))
        except (ValueError, TypeError, OverflowError):
            fitted.append(None)
            unfit.append(position)
    return pa.array(fitted, column.arrow), unfit


def _to_text(value: Any) -> str:
    text = value.decode() if isinstance(value, bytes) else str(value)
    if NUL in text:
        raise ValueError("NUL in a text")
    return text


def _to_float(value: Any) -> float | None:
    number = float(_to_text(value) if isinstance(value, bytes) else value)
    return None if math.isnan(number) else number


def _to_integer(bits: int) -> Callable[[Any], int | None]:
    limit = 1 << (bits - 1)

    def convert(value: Any) -> int | None:
        number = _to_float(value)
        if number is None:
            return None
        if not number.is_integer() or not -limit <= number < limit:
            raise ValueError(f"{value!r} is no {bits}-bit integer")
        return int(number)

    return convert


def _to_timestamp(value: Any) -> datetime:
    if isinstance(value, int | float):
        raise TypeError("a number is no time")
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(_to_text(value).strip())
    if moment.tzinfo is not None:
        raise ValueError("a time with a zone")
    return moment


def _to_date(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(_to_text(value).strip())


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "int16": _to_integer(16),
    "int32": _to_integer(32),
    "float64": _to_float,
    "text": _to_text,
    "timestamp": _to_timestamp,
    "date": _to_date,
}
