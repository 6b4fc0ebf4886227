"""The page: data in it are text, whatever they say; charts without rows are not drawn; pictures are SVG."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest

from flows.charts.chart import Row
from flows.charts.money import ZONES
from flows.charts.page import Picture, page_of
from flows.charts.volume import TRIPS
from tests.made_up_marts import HOSTILE

SQL = f"select '{HOSTILE}'"


class Elements(HTMLParser):
    """Every element of a page, and the text of those that are named."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.tags[-1][0] if self.tags else "", data))

    def text_of(self, tag: str) -> str:
        return "".join(text for inside, text in self.texts if inside == tag)


def zone(name: str, revenue: float = 1.5) -> dict[str, Any]:
    return {"zone": name, "borough": "Queens", "trips": 3, "revenue": revenue}


def page(rows: Sequence[Row]) -> str:
    at = datetime(2026, 11, 29, tzinfo=UTC)
    return page_of([Picture.of(ZONES, SQL, rows)], months=HOSTILE, place=HOSTILE, written_at=at)


def test_hostile_text_stays_text() -> None:
    found = Elements(page([zone(HOSTILE)]))
    scripts = [attributes.get("type") for tag, attributes in found.tags if tag == "script"]
    assert scripts == ["application/json", "module"]
    assert "img" not in [tag for tag, _ in found.tags]
    assert found.text_of("title") == f"New York taxi trips, {HOSTILE}\n" or HOSTILE in found.text_of("title")
    assert SQL in found.text_of("pre")
    spec = json.loads(next(text for tag, text in found.texts if tag == "script" and text.startswith("{")))
    assert [rows[0]["zone"] for rows in spec["datasets"].values()] == [HOSTILE]


def test_page_names_no_other_place_to_load_anything_from() -> None:
    found = Elements(page([zone("Astoria")]))
    assert [
        value for _, attributes in found.tags for name, value in attributes.items() if name in ("src", "href")
    ] == []
    policy = next(attributes["content"] for tag, attributes in found.tags if "http-equiv" in attributes)
    assert policy and policy.startswith("default-src 'none'")
    assert "unsafe-eval" not in policy


def test_number_that_json_does_not_have_makes_no_page() -> None:
    with pytest.raises(ValueError, match="JSON"):
        page([zone("Astoria", float("nan"))])


def test_chart_without_rows_is_not_drawn_and_says_so() -> None:
    picture = Picture.of(TRIPS, "select 1", [])
    assert (picture.spec, picture.svg, picture.rows) == (None, None, 0)
    assert "The query has no row in these months" in Elements(page([])).text_of("p")


def test_picture_is_svg_with_the_text_as_text() -> None:
    svg = Picture.of(ZONES, SQL, [zone('<a> & "b"'), zone("Astoria")]).svg
    assert svg
    texts = [element.text for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert {'<a> & "b"', "Astoria"} <= set(texts)
