"""Random draws with the shapes that trips have, and the columns that they fill."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flows.tlc.month import Month

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
TimeArray = npt.NDArray[np.datetime64]

# Pickups by hour of the day, percent, from 10,000-row samples of yellow months; the night belongs to the weekend.
_WEEKDAY = (1.4, 0.8, 0.5, 0.4, 0.5, 1.2, 2.8, 4.7, 5.5, 5.1, 4.8, 4.9, 5.2, 5.1, 5.5, 5.5, 5.3, 6.1, 7.2, 6.7, 5.8,
            5.6, 5.1, 3.6)  # fmt: skip
_WEEKEND = (5.2, 4.4, 3.6, 2.6, 1.6, 0.9, 1.2, 1.8, 2.7, 3.7, 4.5, 5.0, 5.4, 5.5, 5.6, 5.5, 5.3, 5.3, 5.7, 5.5, 5.0,
            4.8, 4.9, 4.8)  # fmt: skip
_DAYS = (12.5, 14.5, 15.0, 15.6, 15.2, 14.6, 12.6)  # Monday to Sunday
SATURDAY = 5


@dataclass(frozen=True)
class Words:
    """A text column: n codes, each a place in the vocabulary, -1 for null."""

    codes: npt.NDArray[np.int8]
    vocabulary: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: IntArray) -> Words:
        return Words(self.codes[rows], self.vocabulary)

    def where(self, kept: BoolArray) -> Words:
        """The same words, null in every row that is not kept."""
        return Words(np.where(kept, self.codes, np.int8(-1)), self.vocabulary)


# Times are datetime64[us] with NaT for null, numbers are floats with NaN for null, or integers without nulls.
Column = FloatArray | IntArray | TimeArray | Words
# Columns of one length by field name. Not dict[str, Column]: which field has which kind is known where it is used.
Trips = dict[str, Any]


def pick(rng: np.random.Generator, size: int, weights: Mapping[int, float] | Mapping[float, float]) -> FloatArray:
    """``size`` numbers, each as often as its weight says."""
    return np.array(list(weights), dtype=np.float64)[_places(rng, size, list(weights.values()))]


def pick_words(rng: np.random.Generator, size: int, weights: Mapping[Any, float]) -> Words:
    """``size`` words, each as often as its weight says; None is null."""
    words = list(weights)
    if None in words:
        places = _places(rng, size, [weights[None], *(weights[word] for word in words if word is not None)]) - 1
    else:
        places = _places(rng, size, list(weights.values()))
    return Words(places.astype(np.int8), tuple(word for word in words if word is not None))


def pick_zones(rng: np.random.Generator, size: int, weights: FloatArray) -> IntArray:
    """``size`` zones, of which the first has number 1."""
    return _places(rng, size, weights) + 1


def _places(rng: np.random.Generator, size: int, weights: Sequence[float] | FloatArray) -> IntArray:
    cumulated = np.cumsum(np.asarray(weights, dtype=np.float64))
    return np.searchsorted(cumulated[:-1] / cumulated[-1], rng.random(size), side="right").astype(np.int64)


def log_normal(rng: np.random.Generator, size: int, median: float, spread: float) -> FloatArray:
    """``size`` positive numbers about ``median``; ``spread`` is the deviation of their logarithms."""
    return median * np.exp(spread * rng.standard_normal(size))


def chance(rng: np.random.Generator, size: int, share: float) -> BoolArray:
    """``size`` answers, of which ``share`` are yes."""
    return rng.random(size) < share


def pickup_seconds(rng: np.random.Generator, size: int, month: Month) -> IntArray:
    """Seconds from the month's start to each pickup: hour after hour, mixed within the hour, as in TLC's files."""
    weights = _hour_weights(month)
    hours = np.repeat(np.arange(len(weights)), rng.multinomial(size, weights / weights.sum()))
    return np.asarray(hours * 3600 + rng.integers(0, 3600, size), dtype=np.int64)


def _hour_weights(month: Month) -> FloatArray:
    first_weekday, days = calendar.monthrange(month.year, month.number)
    weekdays = [(first_weekday + day) % 7 for day in range(days)]
    profiles = [np.array(_WEEKEND if day >= SATURDAY else _WEEKDAY) * _DAYS[day] for day in weekdays]
    return np.concatenate(profiles)


def times(month: Month, seconds: npt.NDArray[Any]) -> TimeArray:
    """The instants so many seconds after the month's start."""
    return np.datetime64(month.start, "us") + np.round(seconds).astype(np.int64).astype("timedelta64[s]")


def money(amounts: FloatArray) -> FloatArray:
    """Amounts in whole cents."""
    return np.round(amounts, 2)


def to_arrow(column: Column, kind: pa.DataType) -> pa.Array[Any]:
    """A column as the source's file has it."""
    if pa.types.is_null(kind):
        return pa.nulls(len(column))
    if isinstance(column, Words):
        codes: pa.Array[Any] = pa.array(column.codes, mask=column.codes < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(column.vocabulary, pa.string())).cast(kind)
    values: pa.Array[Any] = pa.array(column, from_pandas=True)
    if pa.types.is_timestamp(values.type) and pa.types.is_string(kind):
        values = values.cast(pa.timestamp("s"))  # so that no fraction of a second is written
    return values.cast(kind)
