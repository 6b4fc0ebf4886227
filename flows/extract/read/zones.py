"""The taxi zones: a small CSV file beside the trips."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from flows.extract.read.csv_lines import field_count
from flows.tlc.errors import NotTripFile

_HEADER = ["locationid", "borough", "zone", "service_zone"]
_NUMBER = re.compile(r" *[0-9]{1,5} *")


@dataclass(frozen=True)
class Zone:
    """A taxi zone; N/A in a text is TLC's own word."""

    location_id: int
    borough: str
    zone: str
    service_zone: str


def read_zones(path: Path) -> list[Zone]:
    """The zones in ``taxi_zone_lookup.csv``; raises NotTripFile if it has other columns, no zone, or one twice."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = filter(None, (line.rstrip("\r\n") for line in file))
            header = next(lines, "")
            if [name.strip().strip('"').lower() for name in header.split(",")] != _HEADER:
                raise ValueError(f"its header is {header[:80]!r}")
            zones = [_zone(line) for line in lines]
    except ValueError as error:  # also of text that is no UTF-8
        raise _no_list(path, str(error)) from error
    numbers = Counter(zone.location_id for zone in zones)
    if not numbers:
        raise _no_list(path, "it has none")
    if twice := [number for number, times in numbers.items() if times > 1]:  # a join would count trips twice
        raise _no_list(path, f"zone {twice[0]} is there {numbers[twice[0]]} times")
    return zones


def _zone(line: str) -> Zone:
    """One line's; a stray quote, or one that a cut has left open, makes it none: a parser would guess."""
    if field_count(line.encode()) == len(_HEADER) and "\0" not in line:
        number, *texts = next(csv.reader([line]))
        if _NUMBER.fullmatch(number):  # int() alone takes 1_0 for ten
            return Zone(int(number), *texts)
    raise ValueError(f"{line[:80]!r} is no zone, expected a number and three texts")


def _no_list(path: Path, why: str) -> NotTripFile:
    return NotTripFile(f"{path.name} is no list of taxi zones: {why}. Look at what the source delivers.")
