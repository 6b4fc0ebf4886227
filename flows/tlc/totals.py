"""The control sums of a month: what has to be the same wherever the month is."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

Measure = Literal["rows", "amounts", "distances", "first_pickup", "last_pickup"]
# Systems add up the same numbers in different orders, and each addition rounds by at most 2^-53 of the sum so far: two
# sums of n numbers can be n * 2^-52 of themselves apart. DuckDB, which adds one after the other, was found 2.7e-11 off
# the lake's exact sum in 20,000,000 rows, where this allows 4.4e-9: no false alarm, and $1.50 of $347,000,000.
TOLERANCE_PER_ROW = 2.0**-52
# Half of the smallest step that meters record, for sums that are nearly zero: refunds cancel trips.
ABSOLUTE_TOLERANCE = 0.005


@dataclass(frozen=True)
class Totals:
    """What one place has of a month, in five numbers; None is what nobody knows, or what the dataset has no column for.

    ``amounts`` is the sum of what passengers were charged, in US dollars; ``distances`` that of the trips' miles.
    Missing values count as 0. Pickup times are New York wall-clock times.
    """

    rows: int
    amounts: float | None = None
    distances: float | None = None
    first_pickup: datetime | None = None
    last_pickup: datetime | None = None

    def __str__(self) -> str:
        parts = [f"{self.rows:,} rows"]
        parts += [
            f"{_WORDS[name]} {_shown(value)}" for name in _MEASURES[1:] if (value := getattr(self, name)) is not None
        ]
        return ", ".join(parts)


_MEASURES: tuple[Measure, ...] = get_args(Measure)
_WORDS: dict[Measure, str] = {
    "rows": "rows",
    "amounts": "sum of totals",
    "distances": "sum of distances",
    "first_pickup": "first pickup",
    "last_pickup": "last pickup",
}


def differences(found: Totals, expected: Totals) -> dict[Measure, str]:
    """What differs, in words, by measure. What one of the two does not know is no difference.

    Counts and times have to be equal, sums within the tolerances above: the order of additions is free. Sums that are
    no number, because an infinite value is in them, are equal to each other.
    """
    differing: dict[Measure, str] = {}
    for measure in _MEASURES:
        one, other = getattr(found, measure), getattr(expected, measure)
        if one is None or other is None or _is_same(one, other, max(found.rows, expected.rows)):
            continue
        words = f"{one:,} rows, not {other:,}" if measure == "rows" else _in_words(measure, one, other)
        differing[measure] = words
    return differing


def in_one_sentence(differing: dict[Measure, str], *, but: Collection[Measure] = ()) -> str:
    """The words of ``differences``, without those of the measures ``but``."""
    return ", ".join(words for measure, words in differing.items() if measure not in but)


def _is_same(one: float | datetime, other: float | datetime, rows: int) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return math.isclose(one, other, rel_tol=rows * TOLERANCE_PER_ROW, abs_tol=ABSOLUTE_TOLERANCE)
    return one == other


def _in_words(measure: Measure, one: float | datetime, other: float | datetime) -> str:
    return f"{_WORDS[measure]} {_shown(one)}, not {_shown(other)}"


def _shown(value: float | datetime) -> str:
    return str(value) if isinstance(value, datetime) else f"{value:,.2f}"
