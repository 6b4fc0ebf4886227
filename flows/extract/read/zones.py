"""The taxi zones: a small CSV file beside the trips."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from flows.tlc.errors import NotTripFile


@dataclass(frozen=True)
class Zone:
    """A taxi zone; N/A in a text is TLC's own word."""

    location_id: int
    borough: str
    zone: str
    service_zone: str


def read_zones(path: Path) -> list[Zone]:
    """The zones in ``taxi_zone_lookup.csv``; raises NotTripFile if it has other columns, no zone, or one twice."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        header = [name.strip().strip('"').lower() for name in next(reader, [])]
        if header != ["locationid", "borough", "zone", "service_zone"]:
            raise NotTripFile(f"{path.name} is no list of taxi zones: its header is {','.join(header)[:80]!r}.")
        try:
            zones = [Zone(int(number), *texts) for number, *texts in filter(None, reader)]
        except (ValueError, TypeError, csv.Error) as error:
            raise NotTripFile(f"{path.name} is no list of taxi zones: {error}.") from error
    numbers = Counter(zone.location_id for zone in zones)
    if not numbers:
        raise NotTripFile(f"{path.name} is no list of taxi zones: it has none.")
    if twice := [number for number, times in numbers.items() if times > 1]:  # a join would count trips twice
        raise NotTripFile(f"{path.name} is no list of taxi zones: zone {twice[0]} is there {numbers[twice[0]]} times.")
    return zones
