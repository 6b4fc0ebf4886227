"""How yellow trips were recorded in 2009 and 2010: words for codes, coordinates for zones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from deployments.tlc_site.synthetic.distributions import FloatArray, IntArray, Trips, Words, chance, pick_words
from deployments.tlc_site.synthetic.zones import MANHATTAN, UNKNOWN
from flows.tlc.month import Month

_VENDORS = {1: "CMT", 2: "VTS", 3: "DDS"}
_RATES = {code: str(code) for code in (1, 2, 3, 4, 5, 6, 7, 28, 99, 208)}
# Every payment has two spellings; which one a record has depended on the meter.
_PAYMENTS = {
    2009: {1: ("Credit", "CREDIT"), 2: ("CASH", "Cash"), 3: ("No Charge", "No Charge"), 4: ("Dispute", "Dispute")},
    2010: {1: ("CRE", "Cre"), 2: ("CAS", "Cas"), 3: ("NOC", "No "), 4: ("DIS", "Dis")},
}
_MANHATTAN_BOX = (-74.01, 0.05, 40.71, 0.08)
_CITY_BOX = (-74.02, 0.25, 40.60, 0.27)


def yellow_2009_trips(rng: np.random.Generator, month: Month, trips: Trips) -> Trips:
    """The same trips in the columns that the files of 2009 or 2010 have: words for codes, degrees for zones.

    Only vendor 1 reported the flag, and in 2009 the rate code. A zone that does not exist becomes longitude and
    latitude 0, as a meter without reception wrote them.
    """
    size = len(trips["vendorid"])
    by_first_vendor = trips["vendorid"] == 1
    spellings = {code * 2 + place: words[place] for code, words in _PAYMENTS[month.year].items() for place in (0, 1)}
    columns: Trips = {
        "vendorid": _spelled(trips["vendorid"], _VENDORS),
        "payment_type": _spelled(trips["payment_type"] * 2 + chance(rng, size, 0.3), spellings),
        "__index_level_0__": rng.permutation(size).astype(np.int64),
    }
    if month < Month(2010, 1):
        columns["ratecodeid"] = np.where(by_first_vendor, trips["ratecodeid"], np.nan)
        columns["store_and_fwd_flag"] = np.where(by_first_vendor, chance(rng, size, 0.01).astype(np.float64), np.nan)
    else:
        columns["ratecodeid"] = _spelled(trips["ratecodeid"], _RATES)
        columns["store_and_fwd_flag"] = pick_words(rng, size, {"0": 0.98, "1": 0.02}).where(by_first_vendor)
    for end, zones in (("pickup", trips["pulocationid"]), ("dropoff", trips["dolocationid"])):
        columns[f"{end}_longitude"], columns[f"{end}_latitude"] = _coordinates(rng, zones)
    return trips | columns


def _spelled(codes: FloatArray, words: Mapping[int, str]) -> Words:
    places = np.full(len(codes), -1, dtype=np.int8)
    for place, code in enumerate(words):
        places[codes == code] = place
    return Words(places, tuple(words.values()))


def _coordinates(rng: np.random.Generator, zones: IntArray) -> tuple[FloatArray, FloatArray]:
    """Degrees within a few hundred metres of the zone's invented place."""
    known = (zones > 0) & (zones < UNKNOWN)
    places = np.array([_place_of(zone) for zone in range(UNKNOWN)])[np.where(known, zones, 0)]
    longitudes, latitudes = (places[:, axis] + 0.003 * rng.standard_normal(len(zones)) for axis in (0, 1))
    return np.where(known, np.round(longitudes, 6), 0.0), np.where(known, np.round(latitudes, 6), 0.0)


def _place_of(zone: int) -> tuple[float, float]:
    west, width, south, height = _MANHATTAN_BOX if zone in MANHATTAN else _CITY_BOX
    # Two multipliers without a common factor spread the zones over the box.
    return west + width * (zone * 61 % 263) / 263, south + height * (zone * 101 % 263) / 263
