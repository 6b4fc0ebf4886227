"""What a metered trip costs, month by month: the meter's rate and everything that is added to it, in US dollars."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.tlc_site.synthetic.file_formats import as_of
from flows.tlc.dataset import Dataset
from flows.tlc.month import Month

_NOT_LEVIED = float("nan")
_AIRPORT_PICKUP = {"2009-01": _NOT_LEVIED, "2020-11": 0.0, "2021-04": 1.25, "2023-04": 1.75}


@dataclass(frozen=True)
class Tariff:
    """The charges of one month; NaN is a surcharge that the month's records do not know.

    The meter adds ``step`` for each fifth of a mile and each minute in slow traffic, to ``flag_drop``.
    """

    flag_drop: float
    step: float
    night: float
    rush: float
    mta: float
    improvement: float
    congestion: float
    jfk_flat: float
    airport_pickup: float
    cbd: float


def meter_tariff(dataset: Dataset, month: Month) -> Tariff:
    """The tariff of yellow or green taxis in ``month``; a rise within a month counts from the next month on."""
    congestion = 2.75 if dataset is Dataset.green else 2.5
    return Tariff(
        flag_drop=as_of({"2009-01": 2.5, "2023-01": 3.0}, month),
        step=as_of({"2009-01": 0.4, "2012-09": 0.5, "2023-01": 0.7}, month),
        night=as_of({"2009-01": 0.5, "2023-01": 1.0}, month),
        rush=as_of({"2009-01": 1.0, "2023-01": 2.5}, month),
        mta=as_of({"2009-01": _NOT_LEVIED, "2009-11": 0.5}, month),
        improvement=as_of({"2009-01": 0.0, "2015-01": 0.3, "2023-01": 1.0}, month),
        congestion=as_of({"2009-01": _NOT_LEVIED, "2019-01": 0.0, "2019-02": congestion}, month),
        jfk_flat=as_of({"2009-01": 45.0, "2012-09": 52.0, "2023-01": 70.0}, month),
        airport_pickup=_NOT_LEVIED if dataset is Dataset.green else as_of(_AIRPORT_PICKUP, month),
        cbd=as_of({"2009-01": _NOT_LEVIED, "2025-01": 0.75}, month),
    )
