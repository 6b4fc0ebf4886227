"""Clean for-hire trips of one month, as the bases (fhv) or the app companies (fhvhv) would have reported them."""

from __future__ import annotations

import numpy as np

from deployments.tlc_site.synthetic.distributions import (
    BoolArray,
    FloatArray,
    Trips,
    Words,
    chance,
    log_normal,
    money,
    pick,
    pick_words,
    pick_zones,
    pickup_seconds,
    times,
)
from deployments.tlc_site.synthetic.file_formats import as_of
from deployments.tlc_site.synthetic.zones import JFK, LAGUARDIA, MANHATTAN, UNKNOWN, dropoff_weights, pickup_weights
from flows.tlc.dataset import Dataset
from flows.tlc.month import Month

JUNO, UBER, VIA, LYFT = "HV0002", "HV0003", "HV0004", "HV0005"
_COMPANIES = {
    "2019-02": {JUNO: 0.04, UBER: 0.69, VIA: 0.05, LYFT: 0.22},
    "2019-12": {UBER: 0.71, VIA: 0.04, LYFT: 0.25},
    "2022-01": {UBER: 0.73, LYFT: 0.27},
}
_UBER_BASES = tuple(f"B02{number}" for number in (764, 872, 875, 765, 869, 887, 871, 864, 866, 878, 682, 617))
_OTHER_BASES = {JUNO: "B02914", VIA: "B02800", LYFT: "B02510"}
_FHV_BASES = tuple(f"B{number * 131 % 3200:05d}" for number in range(1, 121))
_CONGESTION = 2.75
_AIRPORT_FEE = {"2019-02": 0.0, "2021-04": 2.5}
_CBD_FEE = {"2019-02": float("nan"), "2025-01": 1.5}
_SALES_TAX = 0.08875
_BLACK_CAR_FUND = {"2019-02": 0.025, "2021-06": 0.03, "2023-01": 0.0275}
_TIPPED = {"2019-02": 0.14, "2021-01": 0.18, "2023-01": 0.21}


def fhv_trips(rng: np.random.Generator, month: Month, size: int) -> Trips:
    """``size`` trips in order of their hours; before 2017 the bases reported pickups only."""
    seconds = pickup_seconds(rng, size, month)
    duration = np.minimum(log_normal(rng, size, 760.0, 0.85), 6 * 3600)
    popularity = {base: 1 / (rank + 6) for rank, base in enumerate(_FHV_BASES)}
    base = pick_words(rng, size, popularity)
    own_vehicle = chance(rng, size, 0.6)
    other_base = pick_words(rng, size, popularity)
    affiliated = Words(np.where(own_vehicle, base.codes, other_base.codes), base.vocabulary)
    dropoff = times(month, seconds + duration)
    zones_from = pick_zones(rng, size, pickup_weights(Dataset.fhv))
    zones_to = pick_zones(rng, size, dropoff_weights(Dataset.fhv)).astype(np.float64)
    if month < Month(2017, 1):
        dropoff, zones_to = np.full(size, np.datetime64("NaT", "us")), np.full(size, np.nan)
    return {
        "dispatching_base_num": base,
        "pickup_datetime": times(month, seconds),
        "dropoff_datetime": dropoff,
        "pulocationid": np.where(chance(rng, size, 0.4), UNKNOWN, zones_from).astype(np.float64),
        "dolocationid": zones_to,
        "sr_flag": np.where(chance(rng, size, 0.03), 1.0, np.nan),
        "affiliated_base_number": affiliated.where(~chance(rng, size, 0.006)),
    }


def fhvhv_trips(rng: np.random.Generator, month: Month, size: int) -> Trips:
    """``size`` trips in order of their hours: requested, then waited for, then ridden."""
    seconds = pickup_seconds(rng, size, month)
    miles = np.maximum(money(log_normal(rng, size, 3.0, 0.9)), 0.01)
    speed = 9.5 * miles**0.3 * log_normal(rng, size, 1.0, 0.2)
    riding = np.maximum(miles / speed * 3600, 60).round()
    waiting, boarding = log_normal(rng, size, 240.0, 0.6), log_normal(rng, size, 70.0, 0.6)
    company = pick_words(rng, size, as_of(_COMPANIES, month))
    by_uber = company.codes == company.vocabulary.index(UBER)
    arrival = np.where(by_uber, seconds - boarding, np.nan)
    trips: Trips = {
        "hvfhs_license_num": company,
        "dispatching_base_num": _bases(rng, company, by_uber),
        "request_datetime": times(month, seconds - boarding - waiting),
        "on_scene_datetime": np.where(by_uber, times(month, np.nan_to_num(arrival)), np.datetime64("NaT", "us")),
        "pickup_datetime": times(month, seconds),
        "dropoff_datetime": times(month, seconds + riding),
        "pulocationid": pick_zones(rng, size, pickup_weights(Dataset.fhvhv)),
        "dolocationid": pick_zones(rng, size, dropoff_weights(Dataset.fhvhv)),
        "trip_miles": miles,
        "trip_time": riding.astype(np.int64),
    }
    trips |= _flags(rng, size, by_uber)
    trips["originating_base_num"] = trips["dispatching_base_num"].where(by_uber)
    return trips | _charges(rng, month, trips, miles, riding)


def _bases(rng: np.random.Generator, company: Words, by_uber: BoolArray) -> Words:
    """Uber dispatches from a dozen bases, the others from one each."""
    vocabulary = (*_UBER_BASES, *_OTHER_BASES.values())
    base_of = [vocabulary.index(_OTHER_BASES.get(name, _UBER_BASES[0])) for name in company.vocabulary]
    uber_base = pick_words(rng, len(company), {base: 1 / (rank + 2) for rank, base in enumerate(_UBER_BASES)})
    codes = np.where(by_uber, uber_base.codes, np.array(base_of, dtype=np.int8)[company.codes])
    return Words(codes, vocabulary)


def _flags(rng: np.random.Generator, size: int, by_uber: BoolArray) -> Trips:
    shared = chance(rng, size, 0.08)
    matched = shared & chance(rng, size, 0.4)
    accessible = chance(rng, size, 0.03)
    commissioned = chance(rng, size, 0.001)
    yes_no = ("N", "Y", " ")
    return {
        "shared_request_flag": Words(shared.astype(np.int8), yes_no),
        "shared_match_flag": Words(matched.astype(np.int8), yes_no),
        "access_a_ride_flag": Words(np.where(by_uber, 2, commissioned).astype(np.int8), yes_no),
        "wav_request_flag": Words((accessible & chance(rng, size, 0.05)).astype(np.int8), yes_no),
        "wav_match_flag": Words(accessible.astype(np.int8), yes_no),
    }


def _charges(rng: np.random.Generator, month: Month, trips: Trips, miles: FloatArray, riding: FloatArray) -> Trips:
    size = len(miles)
    to_manhattan = np.isin(trips["pulocationid"], list(MANHATTAN)) | np.isin(trips["dolocationid"], list(MANHATTAN))
    to_airport = np.isin(trips["pulocationid"], (JFK, LAGUARDIA)) | np.isin(trips["dolocationid"], (JFK, LAGUARDIA))
    surge = np.maximum(log_normal(rng, size, 1.05, 0.2), 0.8)
    fare = money(np.maximum(6.5, (2.5 + 1.6 * miles + 0.42 * riding / 60) * surge))
    tolls = pick(rng, size, {0.0: 0.91, 6.12: 0.06, 2.29: 0.02, 12.24: 0.01})
    charges = {
        "base_passenger_fare": fare,
        "tolls": tolls,
        "bcf": (fare + tolls) * as_of(_BLACK_CAR_FUND, month),
        "sales_tax": (fare + tolls) * _SALES_TAX,
        "congestion_surcharge": np.where(to_manhattan & chance(rng, size, 0.7), _CONGESTION, 0.0),
        "airport_fee": np.where(to_airport, as_of(_AIRPORT_FEE, month), 0.0),
        "tips": np.where(chance(rng, size, as_of(_TIPPED, month)), np.round(log_normal(rng, size, 3.5, 0.5)), 0.0),
        "driver_pay": fare * np.clip(log_normal(rng, size, 0.76, 0.15), 0.4, 1.1),
        "cbd_congestion_fee": np.where(to_manhattan & chance(rng, size, 0.6), as_of(_CBD_FEE, month), 0.0),
    }
    return {name: money(charge) for name, charge in charges.items()}
