"""Answers that others published about these trips, each with where it is from, and the SQL that gives it here.

They are of the mirror's files (DataTalksClub/nyc-tlc-data), which the course of DataTalksClub uses. "Course": its own
solutions; "students": solutions of several students that agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Published:
    """``months`` are dataset, first and last month; ``sql`` is asked of the trips and the marts in DuckDB."""

    what: str
    source: str
    months: tuple[str, str, str]
    sql: str
    answer: Rows

    def difference(self, found: Iterable[tuple[Any, ...]]) -> str | None:
        """What differs, in a sentence; None if nothing does."""
        rows = list(found)
        if rows == self.answer:
            return None
        return f"{self.what}: {self.source} have {self.answer}, and this project {rows}, from {self.sql}"


PERCENTILES = (
    "select p97, p95, p90 from tlc_marts.monthly_fare_percentiles "
    "where service = '{}' and source_month = date '2020-04-01'"
)
ANSWERS = [
    Published(
        "fares of green in April 2020, p97, p95 and p90",
        "students, course of 2025",
        ("green", "2020-04", "2020-04"),
        PERCENTILES.format("green"),
        [(55.0, 45.0, 26.5)],
    ),
    Published(
        "fares of yellow in April 2020, p97, p95 and p90",
        "students, course of 2025",
        ("yellow", "2020-04", "2020-04"),
        PERCENTILES.format("yellow"),
        [(31.5, 25.5, 19.0)],
    ),
    Published(
        "zones with the second longest p90 from Newark Airport, SoHo and Yorkville East in November 2019: LaGuardia "
        "Airport, Chinatown, Garment District",
        "students, course of 2025",
        ("fhv", "2019-11", "2019-11"),
        "select pu_location_id, do_location_id from tlc_marts.fhv_travel_time "
        "where source_month = date '2019-11-01' and pu_location_id in (1, 211, 262) "
        "and do_location_id not in (264, 265) "  # the course leaves out zones that are unknown
        "qualify row_number() over (partition by pu_location_id order by p90_minutes desc) = 2 order by 1",
        [(1, 138), (211, 45), (262, 100)],
    ),
    Published(
        "trips of green in October 2019 up to 1, 3, 7 and 10 miles, and over 10",
        "students, course of 2025",
        ("green", "2019-10", "2019-10"),
        "select count(*) filter (trip_distance <= 1), count(*) filter (trip_distance > 1 and trip_distance <= 3), "
        "count(*) filter (trip_distance > 3 and trip_distance <= 7), "
        "count(*) filter (trip_distance > 7 and trip_distance <= 10), count(*) filter (trip_distance > 10) "
        "from tlc.green_trips where source_month = date '2019-10-01' and lpep_pickup_datetime >= '2019-10-01' "
        "and lpep_pickup_datetime < '2019-11-01' and lpep_dropoff_datetime >= '2019-10-01' "
        "and lpep_dropoff_datetime < '2019-11-01'",
        [(104_802, 198_924, 109_603, 27_678, 35_189)],
    ),
]
# Dataset, first and last month, rows of the mirror's files: the course's own numbers.
ROWS = [
    ("green", "2020-10", "2020-12", 266_855),
    ("green", "2019-01", "2020-12", 7_778_101),
    ("fhv", "2019-01", "2019-12", 43_244_696),
    ("yellow", "2019-01", "2020-12", 109_047_518),
]
