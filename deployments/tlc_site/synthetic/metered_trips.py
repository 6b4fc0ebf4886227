"""Clean yellow and green trips of one month: what the meters of TLC's vendors would have recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deployments.tlc_site.synthetic.distributions import (
    SATURDAY,
    BoolArray,
    FloatArray,
    IntArray,
    Trips,
    chance,
    log_normal,
    money,
    pick,
    pick_words,
    pick_zones,
    pickup_seconds,
    times,
)
from deployments.tlc_site.synthetic.fares import Tariff, meter_tariff
from deployments.tlc_site.synthetic.file_formats import as_of
from deployments.tlc_site.synthetic.zones import JFK, LAGUARDIA, MANHATTAN, dropoff_weights, pickup_weights
from flows.tlc.dataset import Dataset
from flows.tlc.month import Month

CREDIT_CARD, CASH, NO_CHARGE, DISPUTE = 1, 2, 3, 4
STANDARD, JFK_RATE, NEGOTIATED = 1, 2, 5

_VENDORS = {
    "2009-01": {1: 0.46, 2: 0.48, 3: 0.06},
    "2011-01": {1: 0.45, 2: 0.55},
    "2018-06": {1: 0.376, 2: 0.615, 4: 0.009},
    "2020-01": {1: 0.32, 2: 0.68},
    "2023-02": {1: 0.25, 2: 0.7495, 6: 0.0005},
    "2025-01": {1: 0.20, 2: 0.788, 6: 0.001, 7: 0.011},
}
_PAYMENTS = {
    Dataset.yellow: {
        "2009-01": {CREDIT_CARD: 0.25, CASH: 0.74, NO_CHARGE: 0.008, DISPUTE: 0.002},
        "2011-01": {CREDIT_CARD: 0.52, CASH: 0.47, NO_CHARGE: 0.008, DISPUTE: 0.002},
        "2015-01": {CREDIT_CARD: 0.66, CASH: 0.333, NO_CHARGE: 0.005, DISPUTE: 0.002},
        "2019-01": {CREDIT_CARD: 0.725, CASH: 0.2684, NO_CHARGE: 0.0047, DISPUTE: 0.0019},
        "2023-01": {CREDIT_CARD: 0.823, CASH: 0.153, NO_CHARGE: 0.006, DISPUTE: 0.018},
    },
    Dataset.green: {
        "2014-01": {CREDIT_CARD: 0.47, CASH: 0.52, NO_CHARGE: 0.007, DISPUTE: 0.003},
        "2020-01": {CREDIT_CARD: 0.573, CASH: 0.418, NO_CHARGE: 0.0069, DISPUTE: 0.0021},
        "2023-01": {CREDIT_CARD: 0.67, CASH: 0.32, NO_CHARGE: 0.0077, DISPUTE: 0.0023},
    },
}
_PASSENGERS = {1: 0.748, 2: 0.141, 3: 0.037, 4: 0.019, 5: 0.034, 6: 0.0209, 7: 0.00004, 8: 0.00006}
_RATES = {
    Dataset.yellow: {STANDARD: 0.9885, NEGOTIATED: 0.0085, 3: 0.0017, 4: 0.0009, 6: 0.00005, 99: 0.0003},
    Dataset.green: {STANDARD: 0.9601, NEGOTIATED: 0.037, 3: 0.0005, 4: 0.0011, 6: 0.00003, 99: 0.00003},
}
_TOLLS = {0.0: 0.9655, 6.12: 0.0285, 2.29: 0.002, 2.8: 0.0015, 12.24: 0.0015, 11.75: 0.001}
_GREEN_VENDORS = {1: 0.12, 2: 0.88}
_AIRPORTS = (JFK, LAGUARDIA)
_NIGHT = (20, 6)
_RUSH = (16, 20)


@dataclass(frozen=True)
class _Frame:
    """What is settled before anything is drawn for a trip: seconds from the month's start, and whether on a meter."""

    dataset: Dataset
    month: Month
    seconds: IntArray
    on_meter: BoolArray

    @property
    def size(self) -> int:
        return len(self.seconds)

    def metered(self, values: FloatArray, otherwise: float = np.nan) -> FloatArray:
        """The values, and another one for the trips that no meter recorded."""
        return np.where(self.on_meter, values, otherwise)


def taxi_trips(rng: np.random.Generator, dataset: Dataset, month: Month, metered: int, unmetered: int) -> Trips:
    """``metered`` trips in order of their hours, then ``unmetered`` ones, booked by app, with whole minutes.

    The unmetered have no passenger count, rate code, flag and congestion surcharge, and payment type 0 (green: null).
    """
    seconds = np.concatenate([pickup_seconds(rng, metered, month), pickup_seconds(rng, unmetered, month) // 60 * 60])
    frame = _Frame(dataset, month, seconds, np.arange(metered + unmetered) < metered)
    trips = _itineraries(rng, frame)
    trips |= _codes(rng, frame, trips)
    return trips | _charges(rng, frame, trips)


def _itineraries(rng: np.random.Generator, frame: _Frame) -> Trips:
    size, yellow = frame.size, frame.dataset is Dataset.yellow
    zones_from = pick_zones(rng, size, pickup_weights(frame.dataset))
    zones_to = pick_zones(rng, size, dropoff_weights(frame.dataset))
    near = log_normal(rng, size, 1.55 if yellow else 1.9, 0.75)
    far = log_normal(rng, size, 10.5, 0.35)
    booked = log_normal(rng, size, 2.4 if yellow else 5.2, 0.8)
    to_airport = np.isin(zones_from, _AIRPORTS) | np.isin(zones_to, _AIRPORTS)
    distance = np.where(frame.on_meter, np.where(to_airport, far, near), booked)
    # The longer a trip, the more of it on fast roads: half a mile at 7 mph, ten miles at 17.
    at_night = np.where(_in_hours(frame.seconds, *_NIGHT), 1.25, 1.0)
    driving = distance / (8.5 * distance**0.3 * at_night * log_normal(rng, size, 1.0, 0.22)) * 3600
    duration = np.maximum(frame.metered(driving, 0.0) + np.where(frame.on_meter, 0.0, np.ceil(driving / 60) * 60), 20)
    return {
        "pickup_datetime": times(frame.month, frame.seconds),
        "dropoff_datetime": times(frame.month, frame.seconds + duration),
        "pulocationid": zones_from,
        "dolocationid": zones_to,
        "trip_distance": np.maximum(np.round(distance, 2), 0.01),
    }


def _codes(rng: np.random.Generator, frame: _Frame, trips: Trips) -> Trips:
    size, yellow = frame.size, frame.dataset is Dataset.yellow
    rate = pick(rng, size, _RATES[frame.dataset])
    at_jfk = (trips["pulocationid"] == JFK) | (trips["dolocationid"] == JFK)
    rate = np.where(at_jfk & (rate == STANDARD) & chance(rng, size, 0.45), JFK_RATE, rate)
    dispatched = (rate == NEGOTIATED) & chance(rng, size, 0.85)
    vendor = pick(rng, size, as_of(_VENDORS, frame.month) if yellow else _GREEN_VENDORS)
    payment = pick(rng, size, as_of(_PAYMENTS[frame.dataset], frame.month))
    return {
        "vendorid": frame.metered(vendor, 2.0),
        "ratecodeid": frame.metered(rate),
        "passenger_count": frame.metered(pick(rng, size, _PASSENGERS)),
        "store_and_fwd_flag": pick_words(rng, size, {"N": 0.994, "Y": 0.006}).where(frame.on_meter),
        "payment_type": frame.metered(payment, 0.0 if yellow else np.nan),
        "trip_type": frame.metered(np.where(dispatched, 2.0, 1.0)),
        "ehail_fee": np.full(size, np.nan),
        "request_source": pick_words(rng, size, {"Street Hail": 0.8, "App": 0.17, None: 0.03}),
    }


def _charges(rng: np.random.Generator, frame: _Frame, trips: Trips) -> Trips:
    size, tariff = frame.size, meter_tariff(frame.dataset, frame.month)
    by_meter = frame.on_meter & (trips["ratecodeid"] != NEGOTIATED)
    manhattan = np.isin(trips["pulocationid"], list(MANHATTAN)) | np.isin(trips["dolocationid"], list(MANHATTAN))
    congested = manhattan & chance(rng, size, 0.94 if frame.dataset is Dataset.yellow else 0.55)
    # Times False, a surcharge is 0, and one that the month does not know stays NaN.
    charges = {
        "fare_amount": _fare(rng, tariff, frame, trips),
        "extra": by_meter * _extra(frame, tariff),
        "mta_tax": by_meter * np.float64(tariff.mta),
        "tolls_amount": pick(rng, size, _TOLLS),
        "improvement_surcharge": np.full(size, tariff.improvement),
        "congestion_surcharge": frame.metered(congested * np.float64(tariff.congestion)),
        "airport_fee": frame.metered(np.isin(trips["pulocationid"], _AIRPORTS) * np.float64(tariff.airport_pickup)),
        "cbd_congestion_fee": (manhattan & chance(rng, size, 0.8)) * np.float64(tariff.cbd),
    }
    before_tip = sum((np.nan_to_num(charge) for charge in charges.values()), np.zeros(size))
    tip = _tip(rng, before_tip, frame, trips)
    # Vendor 1 counts the congestion surcharge under "extra" too, but only once in the total.
    twice = np.where(trips["vendorid"] == 1, np.nan_to_num(charges["congestion_surcharge"]), 0.0)
    charges |= {"extra": charges["extra"] + twice, "tip_amount": tip, "total_amount": before_tip + tip}
    return {name: money(charge) for name, charge in charges.items()}


def _fare(rng: np.random.Generator, tariff: Tariff, frame: _Frame, trips: Trips) -> FloatArray:
    """What the meter shows, in its own steps; for booked trips a price in cents, agreed beforehand."""
    distance, rate = trips["trip_distance"], trips["ratecodeid"]
    minutes = (trips["dropoff_datetime"] - trips["pickup_datetime"]).astype(np.float64) / 60e6
    by_meter = tariff.flag_drop + tariff.step * np.round(5 * distance + 0.42 * minutes)
    negotiated = np.round(log_normal(rng, frame.size, 18.0, 0.6))
    fare = np.where(rate == JFK_RATE, tariff.jfk_flat, np.where(rate == NEGOTIATED, negotiated, by_meter))
    return np.where(frame.on_meter, fare, 6.0 + 2.3 * distance + 0.35 * minutes)


def _extra(frame: _Frame, tariff: Tariff) -> FloatArray:
    weekday = (frame.seconds // 86_400 + frame.month.first_day.weekday()) % 7
    rush = (weekday < SATURDAY) & _in_hours(frame.seconds, *_RUSH)
    return np.where(rush, tariff.rush, np.where(_in_hours(frame.seconds, *_NIGHT), tariff.night, 0.0))


def _tip(rng: np.random.Generator, before_tip: FloatArray, frame: _Frame, trips: Trips) -> FloatArray:
    """Tips are recorded for cards only: most a fifth or more, some a round dollar, some none; by app often 2.75."""
    percent = pick(rng, frame.size, {0: 0.06, 10: 0.06, 15: 0.1, 18: 0.1, 20: 0.45, 25: 0.15, 30: 0.08})
    dollars = pick(rng, frame.size, {1: 0.4, 2: 0.3, 3: 0.2, 5: 0.1})
    by_card = np.where(chance(rng, frame.size, 0.2), dollars, before_tip * percent / 100)
    by_app = np.where(chance(rng, frame.size, 0.8), 2.75, 0.0)
    return np.where(frame.on_meter, np.where(trips["payment_type"] == CREDIT_CARD, by_card, 0.0), by_app)


def _in_hours(seconds: IntArray, first: int, end: int) -> BoolArray:
    hours = seconds // 3600 % 24
    return (hours >= first) & (hours < end) if first < end else (hours >= first) | (hours < end)
