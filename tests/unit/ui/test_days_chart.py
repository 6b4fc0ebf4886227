"""The picture of trips a day: well-formed, to scale, readable for a month and for several."""

from __future__ import annotations

from datetime import date, timedelta
from xml.etree import ElementTree

import pytest

from flows.tlc.report import LoadReport
from flows.ui.days import days_sentences
from flows.ui.days_chart import draw_days

SVG = "{http://www.w3.org/2000/svg}"


def days_from(first: date, rows: list[int]) -> dict[date, int]:
    return {first + timedelta(days=place): count for place, count in enumerate(rows)}


def bars_of(picture: str) -> list[ElementTree.Element]:
    """Without the paper and the two squares of the legend."""
    return list(ElementTree.fromstring(picture).iter(f"{SVG}rect"))[3:]


def texts_of(picture: str) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def test_bars_are_to_scale_and_lines_are_round_numbers() -> None:
    picture = draw_days(days_from(date(2024, 4, 1), [0, 1_000, 2_000, 4_130]), "Trips <a day> & more")
    heights = [float(bar.get("height", "nan")) for bar in bars_of(picture)]
    assert heights[0] == 0
    assert heights[2] == pytest.approx(2 * heights[1])
    assert heights[3] == pytest.approx(4.13 * heights[1], abs=0.3)
    assert [text for text in texts_of(picture) if text[0].isdigit()] == [
        "0",
        "1,000",
        "2,000",
        "3,000",
        "4,000",
        "5,000",
    ]
    assert "Trips <a day> & more" in texts_of(picture)


def test_weekends_have_another_colour_and_mondays_their_date() -> None:
    picture = draw_days(days_from(date(2024, 4, 1), [5] * 30), "April")
    colours = [bar.get("fill") for bar in bars_of(picture)]
    assert len(colours) == 30
    assert [place + 1 for place, colour in enumerate(colours) if colour == colours[5]] == [6, 7, 13, 14, 20, 21, 27, 28]
    assert [text for text in texts_of(picture) if text.startswith("Mon ")] == [
        f"Mon {day}" for day in (1, 8, 15, 22, 29)
    ]


@pytest.mark.parametrize(("days", "named"), [(90, 3), (920, 10)])
def test_several_months_are_named_where_there_is_room(days: int, named: int) -> None:
    texts = texts_of(draw_days(days_from(date(2019, 1, 1), [7] * days), "Months"))
    assert len([text for text in texts if text.startswith("20")]) == named
    assert not [text for text in texts if text.startswith("Mon ")]


@pytest.mark.parametrize("rows", [1, 9, 10, 99, 1_000, 123_456, 1_000_001])
def test_highest_bar_fits_and_fills_the_paper(rows: int) -> None:
    (bar,) = bars_of(draw_days({date(2024, 4, 1): rows}, "One"))
    assert 208 / 2 <= float(bar.get("height", "nan")) <= 208


def test_sentences_say_what_the_picture_leaves_out() -> None:
    report = LoadReport(
        dataset="green", month="2024-04", target="postgres", source_url="", rows_read=1_010, rows_loaded=1_010
    )
    days = days_from(date(2024, 4, 1), [500, 300, 207])
    assert days_sentences(report, days) == (
        "green 2024-04: 1,007 trips by pickup date, 336 a day; most on Mon 2024-04-01 (500), fewest on "
        "Wed 2024-04-03 (207). Loaded but not shown: 3 with a pickup outside of these days."
    )
    assert "not shown" not in days_sentences(report, days | {date(2024, 4, 4): 3})
