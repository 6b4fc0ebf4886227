"""Control sums: what counts as a difference, and what does not."""

from __future__ import annotations

import math
import random
from datetime import datetime
from functools import reduce
from operator import add

import pytest

from flows.tlc.totals import Totals, differences, in_one_sentence

TOTALS = Totals(83_130, 1_234_567.89, 400_000.5, datetime(2009, 1, 1, 21, 46, 25), datetime(2021, 1, 1, 0, 3, 16))


def changed(**changes: object) -> Totals:
    return Totals(**(TOTALS.__dict__ | changes))


def test_equal_totals_do_not_differ() -> None:
    assert differences(TOTALS, changed()) == {}


@pytest.mark.parametrize(
    ("changes", "measure", "words"),
    [
        ({"rows": 83_129}, "rows", "83,129 rows, not 83,130"),
        ({"amounts": 1_234_567.88}, "amounts", "sum of totals 1,234,567.88, not 1,234,567.89"),
        ({"distances": 400_000.51}, "distances", "sum of distances 400,000.51, not 400,000.50"),
        ({"first_pickup": datetime(2020, 12, 1)}, "first_pickup", "first pickup 2020-12-01 00:00:00, not 2009"),
        ({"last_pickup": None, "rows": 1}, "rows", "1 rows, not 83,130"),
    ],
)
def test_each_measure_is_compared(changes: dict, measure: str, words: str) -> None:
    found = differences(changed(**changes), TOTALS)
    assert list(found) == [measure]
    assert words in found[measure]


def test_the_order_of_additions_is_no_difference_and_a_cent_is() -> None:
    draw = random.Random(1)
    amounts = [round(draw.gammavariate(2, 10) * draw.choice([1, 1, 1, -1]), 2) for _ in range(200_000)]
    # From Python 3.12 on, its own sum makes up for what additions round.
    in_order, shuffled = (changed(rows=200_000, amounts=reduce(add, order)) for order in (amounts, sorted(amounts)))
    assert in_order.amounts != shuffled.amounts
    assert differences(in_order, shuffled) == {}
    assert differences(changed(rows=200_000, amounts=math.fsum(amounts) + 0.01), shuffled) != {}


def test_many_additions_may_be_as_far_off_as_they_were_seen_to_be() -> None:
    """The same 20,000,000 real amounts, by the lake's exact sum and by DuckDB's."""
    lake, duckdb = Totals(20_000_000, 347_204_086.93000007), Totals(20_000_000, 347_204_086.93925035)
    assert differences(duckdb, lake) == {}
    assert differences(Totals(20_000_000, 347_204_089.0), lake) != {}


def test_what_nobody_knows_is_no_difference() -> None:
    assert differences(Totals(83_130), TOTALS) == differences(TOTALS, Totals(83_130)) == {}


def test_no_value_is_not_unknown() -> None:
    """A target whose amounts were all lost has a sum of 0."""
    assert differences(changed(amounts=0.0), TOTALS) == {"amounts": "sum of totals 0.00, not 1,234,567.89"}


def test_words() -> None:
    assert str(Totals(2, 1.5, None)) == "2 rows, sum of totals 1.50"
    found = differences(changed(rows=1, amounts=1.0), TOTALS)
    assert in_one_sentence(found, but=["rows"]) == "sum of totals 1.00, not 1,234,567.89"


def test_no_number_is_the_same_as_no_number_and_differs_from_any_other() -> None:
    nan = changed(amounts=math.nan)
    assert differences(nan, changed(amounts=math.nan)) == {}
    assert list(differences(nan, TOTALS)) == ["amounts"] == list(differences(TOTALS, nan))
