"""Trips by pickup date: the first and the last instant of a day, days without trips, clocks that are wrong."""

from __future__ import annotations

from datetime import date, datetime

import pyarrow as pa

from flows.transform.days import DayCounts


def pickups(*times: datetime) -> pa.Array:
    return pa.array(times, pa.timestamp("us"))


def test_rows_are_counted_by_date_over_batches() -> None:
    days = DayCounts(date(2024, 2, 1), date(2024, 3, 1))
    days.add(pickups(datetime(2024, 2, 1), datetime(2024, 2, 1, 23, 59, 59, 999_999), datetime(2024, 2, 29, 12)))
    days.add(pickups(datetime(2024, 2, 2)))
    days.add(pickups())
    counted = days.by_day
    assert list(counted) == [date(2024, 2, day) for day in range(1, 30)]
    assert {day: rows for day, rows in counted.items() if rows} == {
        date(2024, 2, 1): 2,
        date(2024, 2, 2): 1,
        date(2024, 2, 29): 1,
    }
    assert days.outside == 0


def test_rows_of_other_times_are_outside_however_far() -> None:
    days = DayCounts(date(2024, 2, 1), date(2024, 3, 1))
    days.add(pickups(datetime(2024, 1, 31, 23, 59, 59, 999_999), datetime(2024, 3, 1), datetime(2098, 1, 1)))
    days.add(pickups(datetime(1969, 12, 31, 23), datetime(2024, 2, 5)))
    assert days.outside == 4
    assert sum(days.by_day.values()) == 1
