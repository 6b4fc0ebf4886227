"""The odd rows that TLC's files really have, put into clean trips."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deployments.tlc_site.synthetic.anomaly_rates import ADDED_ROWS
from deployments.tlc_site.synthetic.distributions import IntArray, Trips, times
from deployments.tlc_site.synthetic.metered_trips import DISPUTE, NO_CHARGE
from flows.tlc.month import Month


@dataclass(frozen=True)
class AnomalyRows:
    """The rows of a month's trips that get one kind of anomaly."""

    rng: np.random.Generator
    month: Month
    trips: Trips
    rows: IntArray

    def draw(self, first: int, end: int) -> IntArray:
        """A random number for each row, from ``first`` to below ``end``."""
        return self.rng.integers(first, end, len(self.rows))


Anomaly = Callable[[AnomalyRows], None]

_MAY_OVERLAP = ("no_pickup_zone", "no_dropoff_zone")
_AMOUNTS = ("fare_amount", "extra", "mta_tax", "tip_amount", "tolls_amount", "improvement_surcharge", "total_amount",
            "congestion_surcharge", "airport_fee", "cbd_congestion_fee")  # fmt: skip
_TIMES = ("request_datetime", "on_scene_datetime", "pickup_datetime", "dropoff_datetime")


def add_anomalies(
    rng: np.random.Generator, month: Month, trips: Trips, counts: Mapping[str, int]
) -> dict[str, IntArray]:
    """Give each kind of anomaly to ``counts`` rows of its own; returns the rows that are still to be copied.

    Unmetered trips, the last rows, are not changed.
    """
    recorded = len(trips["pickup_datetime"]) - counts.get("unmetered", 0)
    for kind in _MAY_OVERLAP:
        _KINDS[kind](AnomalyRows(rng, month, trips, rng.choice(recorded, counts.get(kind, 0), replace=False)))
    own = {kind: count for kind, count in counts.items() if kind not in (*_MAY_OVERLAP, "unmetered")}
    drawn = np.split(rng.choice(recorded, sum(own.values()), replace=False), np.cumsum(list(own.values())))
    rows = dict(zip(own, drawn, strict=False))
    for kind, chosen in rows.items():
        _KINDS[kind](AnomalyRows(rng, month, trips, chosen))
    return {kind: rows[kind] for kind in ADDED_ROWS if kind in rows}


def with_copies(trips: Trips, copied: Mapping[str, IntArray]) -> Trips:
    """The trips with some rows twice. Of a refund, the first of the two has the amounts negated."""
    size = len(trips["pickup_datetime"])
    copies = np.ones(size, dtype=np.int64)
    for rows in copied.values():
        copies[rows] = 2
    repeated: Trips = {name: column[np.repeat(np.arange(size), copies)] for name, column in trips.items()}
    if "refund" in copied:
        refunds = np.cumsum(copies)[copied["refund"]] - 2
        for name in _AMOUNTS:
            repeated[name][refunds] = 0.0 - repeated[name][refunds]  # not -x, which makes -0 of 0
    return repeated


def _begun_in(other: Callable[[Month], Month], first_second: int, end_second: int) -> Anomaly:
    """Trips moved to another month as a whole, to begin there between two seconds after its start."""

    def move(chosen: AnomalyRows) -> None:
        pickup = times(other(chosen.month), chosen.draw(first_second, end_second))
        shift = pickup - chosen.trips["pickup_datetime"][chosen.rows]
        for field in _TIMES:
            if field in chosen.trips:
                chosen.trips[field][chosen.rows] += shift

    return move


def _lasting(first_second: int, end_second: int) -> Anomaly:
    """Trips with their drop-off so many seconds after their pickup."""

    def move_dropoff(chosen: AnomalyRows) -> None:
        duration = chosen.draw(first_second, end_second).astype("timedelta64[s]")
        chosen.trips["dropoff_datetime"][chosen.rows] = chosen.trips["pickup_datetime"][chosen.rows] + duration

    return move_dropoff


def _ended_in_3019(chosen: AnomalyRows) -> None:
    dropoff = times(Month(3019, chosen.month.number), chosen.draw(0, 86_400))
    chosen.trips["dropoff_datetime"][chosen.rows] = dropoff


def _one_of(values: Sequence[float | np.datetime64], *fields: str) -> Anomaly:
    """One of some values, in whichever of the fields the dataset has."""

    def write_values(chosen: AnomalyRows) -> None:
        for field in fields:
            if field in chosen.trips:
                chosen.trips[field][chosen.rows] = np.array(values)[chosen.draw(0, len(values))]

    return write_values


_KINDS: dict[str, Anomaly] = {
    "twin": _one_of([]),  # as it is: the copy makes the twin
    "refund": _one_of([NO_CHARGE, DISPUTE], "payment_type"),
    "pickup_years_before": _begun_in(lambda month: Month(2009 if month > Month(2009, 1) else 2001, 1), 0, 7200),
    "pickup_in_previous_month": _begun_in(lambda month: month, -600, 0),
    "pickup_in_next_month": _begun_in(lambda month: month.plus(1), 0, 600),
    "pickup_in_2098": _begun_in(lambda month: Month(2098, month.number), 0, 7200),
    "no_pickup_time": _one_of([np.datetime64("NaT", "us")], "pickup_datetime"),
    "dropoff_before_pickup": _lasting(-60, 0),
    "no_duration": _lasting(0, 1),
    "almost_a_day": _lasting(84_000, 86_400),
    "dropoff_in_3019": _ended_in_3019,
    "zero_distance": _one_of([0.0], "trip_distance", "trip_miles"),
    "far_away": _one_of([168_064.95, 118_988.71, 205_654.12], "trip_distance", "trip_miles"),
    "zero_passengers": _one_of([0], "passenger_count"),
    "unknown_vendor": _one_of([5, 9], "vendorid"),
    "unknown_payment": _one_of([7, 9], "payment_type"),
    "unknown_rate": _one_of([7, 28, 208], "ratecodeid"),
    "unknown_trip_type": _one_of([3], "trip_type"),
    "unknown_pickup_zone": _one_of([0, 266, 270], "pulocationid"),
    "unknown_dropoff_zone": _one_of([0, 266, 270], "dolocationid"),
    "no_pickup_zone": _one_of([np.nan], "pulocationid"),
    "no_dropoff_zone": _one_of([np.nan], "dolocationid"),
    "negative_fare": _one_of([-0.18, -2.5, -7.31], "base_passenger_fare"),
    "no_fare": _one_of([0.0], "base_passenger_fare", "driver_pay"),
}
