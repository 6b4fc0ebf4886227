r"""Make a raw column fit its declared type, and say which values do not fit.

What fits does not depend on the values beside it. By the column's type:

int16, int32  a number, or the text of one, without a fraction and within the type: 1, 1.0, "1", "1.0", "1e3"
float64       a number, or the text of one, that is finite; the double nearest to what is written
              the text of a number: [+-] digits [. digits] [e [+-] digits]; digits on one side of the point are enough
timestamp     a time without a zone, or a date (its midnight), of the years 1 to 9999; finer than a microsecond is cut
              the text of a time: YYYY-MM-DD [space or T] hh:mm:ss.fffffffff, from the end as much left out as one likes
date          a date, or a time that is a midnight; its text: YYYY-MM-DD
text          text without NUL, and the text of whatever has one: a number, a time, true and false

A boolean counts as the text true or false, a decimal as its text: ``text_codes`` and ``text_values`` say what a word
stands for. In a column of known texts a boolean that stands for none of them does not fit. Bytes count as text if they
are UTF-8. Blanks around a text do not count, except in a text column.

Null is what is null, or NaN (how pandas writes a missing number), and in a column that is no text also an empty text,
blanks, and the ``missing_words`` of schemas/shared.toml.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from flows.tlc.column import Column
from flows.transform.one_by_one import fit_each
from flows.transform.texts import NUL, Texts, is_text, without_missing

Values: TypeAlias = "pa.Array[Any]"
Fitted: TypeAlias = tuple[Values, list[int]]

# Years 1 to 9999, in microseconds from 1970: what every target can hold, and Python. Not by Arrow, whose first value
# imports pandas.
_FIRST_TIME, _LAST_TIME = (
    (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1) for moment in (datetime.min, datetime.max)
)
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}
# What Arrow raises for values that a type cannot hold, and for types that it cannot make of each other.
_UNFIT = (pa.ArrowInvalid, pa.ArrowNotImplementedError)


def cast_values(values: Values, column: Column) -> Fitted:
    """``values`` in the column's type, and the positions of those that do not fit it (null in the result)."""
    if pt.is_boolean(values.type) and column.values and "TRUE" not in column.text_values:
        return _nothing(values, column)
    values = _plain(values)
    if pt.is_null(values.type):
        return pa.nulls(len(values), column.arrow), []
    if not is_text(values.type):
        return _FIT_TYPED[column.type](values, column)
    texts = Texts.of(values)
    fitted, uncastable = _fit_texts(texts, column)
    return fitted, sorted(texts.undecodable + uncastable)


def _plain(values: Values) -> Values:
    """The values themselves, without an encoding; booleans and decimals as text."""
    while True:
        kind = values.type
        if pt.is_dictionary(kind):
            values = _plain(values.dictionary).take(values.indices)
        elif pt.is_run_end_encoded(kind):
            values = pc.run_end_decode(values)
        elif isinstance(kind, pa.BaseExtensionType):
            values = values.storage
        elif pt.is_boolean(kind) or pt.is_decimal(kind):
            return values.cast(pa.string())
        elif pt.is_string_view(kind) or pt.is_binary_view(kind):
            return values.cast(pa.binary())
        elif pt.is_float16(kind):
            return values.cast(pa.float32())
        else:
            return values


def _fit_texts(texts: Texts, column: Column) -> Fitted:
    if column.type == "text":
        return _without_nul(texts.replaced(column.text_values), is_ascii=texts.ascii is not None)
    words = texts.replaced(column.text_codes)
    try:
        return _parse(words, column.arrow, texts.ascii), []
    except _UNFIT:
        words = without_missing(words)
    try:
        return _parse(words, column.arrow, None), []
    except _UNFIT:
        return fit_each(words, column)


def _without_nul(texts: Values, *, is_ascii: bool) -> Fitted:
    has_nul = None if is_ascii else pc.match_substring(texts, NUL)
    if has_nul is None or not pc.any(has_nul).as_py():
        return texts, []
    return pc.if_else(has_nul, pa.scalar(None, pa.string()), texts), pc.indices_nonzero(has_nul).to_pylist()


def _parse(texts: Values, target: pa.DataType, ascii_letters: bytes | None) -> Values:
    """All at once, which accepts only what ``fit_each`` does too; ArrowInvalid if any of them does not fit."""
    if pt.is_temporal(target):
        times = texts.cast(target)
        if not _are_within_years(times.cast(pa.timestamp("us")), 1):
            raise pa.ArrowInvalid("year 0")
        return times
    if pt.is_integer(target) and ascii_letters is not None and not (b"x" in ascii_letters or b"X" in ascii_letters):
        try:
            return texts.cast(target)  # it reads 0x1F too, hence the condition
        except pa.ArrowInvalid:
            pass  # "1.0": how pandas writes whole numbers of a column with gaps
    numbers = texts.cast(pa.float64())
    if pc.all(pc.is_finite(numbers)).as_py() is False:
        raise pa.ArrowInvalid("inf or nan")
    return numbers.cast(target)


def _fit_numbers(values: Values, column: Column) -> Fitted:
    """Integers and floats in a number's column."""
    infinite: list[int] = []
    if pt.is_floating(values.type):
        values, infinite = _finite(values)
    elif not pt.is_integer(values.type):
        return _nothing(values, column)
    try:
        return values.cast(column.arrow), infinite
    except _UNFIT:
        fitted, uncastable = fit_each(values, column)
        return fitted, sorted(infinite + uncastable)


def _finite(values: Values) -> Fitted:
    is_finite = pc.is_finite(values)
    if pc.all(is_finite).as_py() is not False:
        return values, []
    infinite = pc.indices_nonzero(pc.is_inf(values)).to_pylist()
    return pc.if_else(is_finite, values, pa.scalar(None, values.type)), infinite


def _fit_times(values: Values, column: Column) -> Fitted:
    """Times and dates in a time's column."""
    if pt.is_date(values.type):
        values = values.cast(pa.date64()).view(pa.timestamp("ms"))
    if not pt.is_timestamp(values.type) or values.type.tz is not None:
        return _nothing(values, column)
    if values.type.unit == "ns":
        return _cut_to_microseconds(values), []
    unit = _MICROSECONDS[values.type.unit]
    if _are_within_years(values, unit):
        return values.cast(column.arrow), []
    moments = values.view(pa.int64())
    beyond = pc.or_(pc.less(moments, -(-_FIRST_TIME // unit)), pc.greater(moments, _LAST_TIME // unit))
    kept = pc.if_else(beyond, pa.scalar(None, values.type), values)
    return kept.cast(column.arrow), pc.indices_nonzero(beyond).to_pylist()


def _cut_to_microseconds(values: Values) -> Values:
    """Times in nanoseconds without their fractions. Arrow's cast makes times before 1970 later ones instead."""
    counts = values.view(pa.int64())
    rounded = pc.divide(counts, 1_000)
    is_later = pc.greater(pc.multiply(rounded, 1_000), counts)
    return pc.subtract(rounded, is_later.cast(pa.int64())).view(pa.timestamp("us"))


def _are_within_years(times: Values, unit: int) -> bool:
    """Whether all times are of the years 1 to 9999; ``unit`` is theirs, in microseconds."""
    bounds = pc.min_max(times)
    return all(
        not bound.is_valid or _FIRST_TIME <= bound.value * unit <= _LAST_TIME
        for bound in (bounds["min"], bounds["max"])
    )


def _fit_dates(values: Values, column: Column) -> Fitted:
    """Dates, and times that are midnights, in a date's column."""
    times, uncastable = _fit_times(values, replace(column, type="timestamp"))
    days = times.cast(pa.date32(), safe=False)
    later = pc.fill_null(pc.not_equal(days.cast(times.type), times), False)
    uncastable = sorted(uncastable + pc.indices_nonzero(later).to_pylist())
    return pc.if_else(later, pa.scalar(None, days.type), days), uncastable


def _fit_written(values: Values, column: Column) -> Fitted:
    """The text of what is none, in a text's column."""
    if pt.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    try:
        return _fit_texts(Texts.of(values.cast(pa.string())), column)
    except _UNFIT:
        return _nothing(values, column)


def _nothing(values: Values, column: Column) -> Fitted:
    """No value fits: a list, a time with a zone, a number for a time (Arrow would count it from 1970)."""
    unfit = values.is_valid()
    if pt.is_floating(values.type):
        unfit = pc.and_(unfit, pc.invert(pc.is_nan(values)))
    return pa.nulls(len(values), column.arrow), pc.indices_nonzero(unfit).to_pylist()


_FIT_TYPED: dict[str, Callable[[Values, Column], Fitted]] = {
    "int16": _fit_numbers,
    "int32": _fit_numbers,
    "float64": _fit_numbers,
    "text": _fit_written,
    "timestamp": _fit_times,
    "date": _fit_dates,
}
