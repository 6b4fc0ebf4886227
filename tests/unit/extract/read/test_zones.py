"""The list of taxi zones: the published one, and files that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.extract.read.zones import Zone, read_zones
from flows.tlc.errors import NotTripFile

HEADER = '"LocationID","Borough","Zone","service_zone"\n'


def test_published_zones_are_read_as_they_are(tlc: Path) -> None:
    zones = read_zones(tlc / "cdn/misc/taxi_zone_lookup.csv")
    assert len(zones) == 265
    assert zones[131] == Zone(132, "Queens", "JFK Airport", "Airports")
    assert zones[264] == Zone(265, "Unknown", "NA", "N/A")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("<html>", "its header is '<html>'"),
        ("", "its header is ''"),
        (HEADER, "it has none"),
        (HEADER + '1,"EWR","Newark Airport"\n', "expected a number and three texts"),
        (HEADER + 'one,"EWR","Newark Airport","EWR"\n', "'one,.*is no zone"),
        (HEADER + '1_0,"EWR","Newark Airport","EWR"\n', "'1_0,.*is no zone"),
        (HEADER + '1,"EWR","Newark Airport","EW', "'1,.*is no zone"),
        (HEADER + '1,\0EWR","Newark Airport","EWR"\n', "is no zone"),
        (HEADER + '1,"EWR","Newark\nAirport","EWR"\n', "is no zone"),
        (HEADER + '1,"E\udcffR","Newark Airport","EWR"\n', "'utf-8' codec can't decode"),
        (HEADER + '1,"EWR","Newark Airport","EWR"\n' * 2, "zone 1 is there 2 times"),
    ],
    ids=[
        "page",
        "empty",
        "no-zone",
        "short-line",
        "no-number",
        "underscore",
        "cut",
        "nul",
        "line-end",
        "latin-1",
        "twice",
    ],
)
def test_what_is_no_list_of_zones_is_refused(tmp_path: Path, content: str, why: str) -> None:
    file = tmp_path / "taxi_zone_lookup.csv"
    file.write_text(content, errors="surrogateescape")
    with pytest.raises(NotTripFile, match=rf"taxi_zone_lookup.csv is no list of taxi zones: .*{why}.*\. Look at"):
        read_zones(file)
