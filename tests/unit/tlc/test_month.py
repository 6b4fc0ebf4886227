"""Months: written one way, in order, across years."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from flows.tlc.month import Month, months_between


@pytest.mark.parametrize("text", ["2009-01", "2020-10", "2099-12"])
def test_months_print_as_they_are_written(text) -> None:
    assert str(Month.parse(text)) == text


@pytest.mark.parametrize("text", ["2020-13", "2020-00", "2020-1", "10/2020", "2020-10-01", " 2020-10", "", 2020])
def test_other_forms_are_refused_with_the_right_one(text) -> None:
    with pytest.raises(ValueError, match="write it as YYYY-MM, for example 2020-10"):
        Month.parse(text)


def test_months_count_across_years() -> None:
    assert Month(2020, 12).plus(1) == Month(2021, 1)
    assert Month(2020, 1).plus(-1) == Month(2019, 12)
    assert Month(2020, 5).plus(-17) == Month(2018, 12)
    assert [str(month) for month in months_between(Month(2019, 11), Month(2020, 2))] == [
        "2019-11", "2019-12", "2020-01", "2020-02",
    ]  # fmt: skip
    assert list(months_between(Month(2020, 2), Month(2020, 1))) == []


def test_months_know_their_days() -> None:
    month = Month.of(date(2020, 2, 29))
    assert (month, month.first_day, month.start) == (Month(2020, 2), date(2020, 2, 1), datetime(2020, 2, 1))
