"""The stand-in's taxi zones: TLC's own list of them (``zones.csv``), and how popular each zone is."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from flows.tlc.dataset import Dataset

LAST_ZONE = 265
NEWARK, JFK, LAGUARDIA, UNKNOWN, OUTSIDE = 1, 132, 138, 264, 265

# The busiest zones of each dataset in TLC's files, busiest first. Of the yellow ones all but the airports lie in
# Manhattan.
# fmt: off
_BUSIEST = {
    Dataset.yellow: (
        237, 236, 161, 162, 186, 230, 170, 48, 142, 132, 234, 239, 141, 163, 138, 79, 68, 107, 238, 263, 140, 249, 164,
        229, 90, 231, 100, 246, 113, 43, 114, 137, 262, 143, 50, 151, 75, 166, 74, 41, 24, 42, 116, 158, 125, 144, 148,
        211, 87, 88, 13, 261, 224, 233, 4, 12, 45, 209, 232, 152, 244,
    ),
    Dataset.green: (
        74, 75, 41, 42, 95, 82, 166, 43, 244, 97, 65, 7, 130, 129, 25, 66, 116, 181, 226, 223, 260, 49, 61, 152, 33, 17,
        112, 255, 179, 247,
    ),
    Dataset.fhvhv: (
        61, 76, 79, 132, 138, 37, 42, 89, 35, 39, 17, 168, 74, 234, 231, 225, 82, 188, 48, 161, 230, 181, 97, 244, 68,
    ),
}
# fmt: on
MANHATTAN = frozenset(_BUSIEST[Dataset.yellow]) - {JFK, LAGUARDIA}
# A zone's popularity is 1 / (rank + offset) ** exponent: the greater the offset, the less the first one stands out.
# Fitted to the shares of the first and the tenth zone in the real files.
_PICKUP_CURVE = {Dataset.yellow: (60, 4.0), Dataset.green: (2.5, 1.4), Dataset.fhv: (30, 1.5), Dataset.fhvhv: (40, 1.4)}
_DROPOFF_CURVE = {Dataset.yellow: (60, 3.2), Dataset.green: (9, 1.2), Dataset.fhv: (30, 1.2), Dataset.fhvhv: (40, 1.2)}
_SHARE_UNKNOWN, _SHARE_OUTSIDE = 0.008, 0.004

FloatArray = npt.NDArray[np.float64]


def zone_lookup() -> bytes:
    """The zone lookup as CSV, LocationID 1 to 265; its "N/A" are literal values, as at the source."""
    return files("deployments.tlc_site.synthetic").joinpath("zones.csv").read_bytes()


@cache
def pickup_weights(dataset: Dataset) -> FloatArray:
    """How likely a trip begins in each zone: 265 weights, of the zones 1 to 265."""
    return _weights(dataset, *_PICKUP_CURVE[dataset])


@cache
def dropoff_weights(dataset: Dataset) -> FloatArray:
    """How likely a trip ends in each zone: 265 weights, of the zones 1 to 265."""
    return _weights(dataset, *_DROPOFF_CURVE[dataset])


def _weights(dataset: Dataset, offset: float, exponent: float) -> FloatArray:
    busiest = _BUSIEST.get(dataset, _BUSIEST[Dataset.fhvhv])
    # 97 has no factor in common with 263: the other zones come in a mixed order that is always the same.
    others = [zone for zone in (step * 97 % 263 + 1 for step in range(263)) if zone not in busiest]
    weights = np.zeros(LAST_ZONE)
    for rank, zone in enumerate((*busiest, *others)):
        weights[zone - 1] = (rank + offset) ** -exponent
    known = weights.sum()
    weights[UNKNOWN - 1], weights[OUTSIDE - 1] = known * _SHARE_UNKNOWN, known * _SHARE_OUTSIDE
    return weights
