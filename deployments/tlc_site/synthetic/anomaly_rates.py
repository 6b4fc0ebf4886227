"""How many odd rows the stand-in's files have, of each kind, in about the shares of TLC's own files."""

from __future__ import annotations

from collections.abc import Mapping

from deployments.tlc_site.synthetic.file_formats import as_of
from flows.tlc.dataset import Dataset
from flows.tlc.month import Month

# In a month of so many rows every kind has one row at least, except those of RARE.
ROWS_FOR_ALL = 1_000
RARE = frozenset({"pickup_in_2098"})
_ONE_ROW = 1e-9
_NEVER = 0.0
_EVERYWHERE = {
    "twin": 1e-4,
    "no_pickup_time": 3e-5,
    "pickup_years_before": 2e-5,
    "pickup_in_previous_month": 4e-5,
    "pickup_in_next_month": 4e-5,
    "dropoff_before_pickup": 3e-4,
    "unknown_pickup_zone": 2e-5,
    "unknown_dropoff_zone": 2e-5,
}
_METERED = _EVERYWHERE | {
    "refund": 0.0035,
    "no_duration": 0.001,
    "almost_a_day": 0.002,
    "zero_distance": 0.012,
    "zero_passengers": 0.018,
    "far_away": 2e-5,
    "unknown_vendor": 1e-5,
    "unknown_payment": 1e-5,
    "unknown_rate": 2e-5,
}
# Shares of a month's rows: one number, or numbers by the first month of each. "unmetered" are trips booked by app,
# which no meter recorded: 44 % of green 2020. Bases (fhv) report drop-offs since 2017, and zones when they please.
_SHARES: dict[Dataset, dict[str, float | dict[str, float]]] = {
    Dataset.yellow: {
        **_METERED,
        "pickup_in_2098": 5e-6,
        "unknown_pickup_zone": {"2009-01": 0.018, "2011-01": 2e-5},
        "unknown_vendor": {"2009-01": _NEVER, "2011-01": 1e-5},
        "unknown_payment": {"2009-01": _NEVER, "2011-01": 1e-5},
        "unmetered": {"2009-01": _NEVER, "2019-01": 0.004, "2020-04": 0.067, "2021-07": 0.04, "2025-01": 0.17},
    },
    Dataset.green: {
        **_METERED,
        "zero_distance": 0.036,
        "zero_passengers": 0.006,
        "far_away": 3e-4,
        "unknown_trip_type": 1e-5,
        # None in the three months of the course's homework, which asserts that.
        "unknown_vendor": {"2014-01": 1e-5, "2020-10": _NEVER, "2021-01": 1e-5},
        "refund": 0.0025,
        "unmetered": {"2014-01": _NEVER, "2019-07": 0.16, "2020-04": 0.445, "2021-08": 0.3, "2022-01": 0.0765},
    },
    Dataset.fhv: {
        **_EVERYWHERE,
        "twin": 4e-4,
        "dropoff_before_pickup": {"2015-01": _NEVER, "2017-01": 3e-4},
        "unknown_dropoff_zone": {"2015-01": _NEVER, "2017-01": 2e-5},
        "dropoff_in_3019": {"2015-01": _NEVER, "2017-01": _ONE_ROW},
        # None if the file has integers: the months of 2019-05, 2019-06 and, for drop-offs, 2020-07.
        "no_pickup_zone": {"2015-01": 0.05, "2017-01": 0.35, "2019-05": _NEVER, "2019-07": 0.32, "2021-01": 0.75},
        "no_dropoff_zone": {
            "2015-01": _NEVER, "2017-07": 0.06, "2019-05": _NEVER, "2019-07": 0.055, "2020-07": _NEVER, "2020-08": 0.12,
        },
    },
    Dataset.fhvhv: {**_EVERYWHERE, "zero_distance": 4e-4, "far_away": 1e-5, "negative_fare": 1e-3, "no_fare": 1e-3},
}  # fmt: skip
ADDED_ROWS = ("twin", "refund")


def anomaly_rates(dataset: Dataset, month: Month) -> dict[str, float]:
    """The share of ``month``'s rows that each kind of anomaly has; kinds that the month does not have are left out."""
    shares = {kind: as_of(share, month) if isinstance(share, dict) else share
              for kind, share in _SHARES[dataset].items()}  # fmt: skip
    return {kind: share for kind, share in shares.items() if share > 0}


def anomaly_counts(dataset: Dataset, month: Month, rows: int) -> dict[str, int]:
    """How many of ``rows`` rows each kind of anomaly gets. Of a refund, the negative half is counted."""
    shares = anomaly_rates(dataset, month)
    least = {kind: int(rows >= ROWS_FOR_ALL and kind not in RARE) for kind in shares}
    return {kind: max(least[kind], round(share * rows)) for kind, share in shares.items()}


def added_rows(counts: Mapping[str, int]) -> int:
    """How many of the counted rows are copies of others."""
    return sum(counts.get(kind, 0) for kind in ADDED_ROWS)
