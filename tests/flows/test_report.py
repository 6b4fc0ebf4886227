"""The report as users have it: a page that opens without the internet, the marts' own numbers, pictures in the UI."""

from __future__ import annotations

import json
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import duckdb
import pytest
from playwright.sync_api import Page, expect
from prefect.client.orchestration import get_client

from flows import report
from flows.tlc.errors import ChartsNotInstalled, ModelsMissing, ParameterError
from flows.tlc.visible import in_markdown
from tests.conftest import Database
from tests.e2e.browser import chromium_or_skip, ui_in_browser
from tests.made_up_marts import HOSTILE, YEAR, make_marts

FIRST, LAST = "2023-02", "2024-03"
IN_RANGE = "where source_month between date '2023-02-01' and date '2024-03-01'"
# What each chart's marks are called, and how many of them a row has.
MARKS = {
    "daily-trips": {"bar": 1},
    "service-share": {"bar": 1},
    "monthly-zone-revenue": {"bar": 1},
    "hourly-zone-trips": {"rect mark": 1},
    "tips": {"bar": 1},
    "airport-trips": {"point": 2},
    "quarterly-revenue": {"bar": 1},
    "monthly-fare-percentiles": {"bar": 1, "tick": 1, "point": 1},
    "fhv-travel-time": {"bar": 1, "point": 2},
    "month-quality": {"bar": 1},
}
DRAWN = ".chart svg.marks"
ROLES = """figures => figures.map(figure => [figure.id,
    [...figure.querySelectorAll(".chart svg.marks [aria-roledescription]")].map(
        mark => mark.getAttribute("aria-roledescription"))])"""


class Specs(HTMLParser):
    """The specifications of a page's charts, by the figure that they are in."""

    def __init__(self, page: str):
        super().__init__()
        self.figure, self.inside, self.found = "", False, {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.figure = attributes.get("id") or self.figure if tag == "figure" else self.figure
        self.inside = tag == "script" and attributes.get("type") == "application/json"

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.found[self.figure] = json.loads(data)

    def rows(self, key: str) -> list[dict[str, Any]]:
        """Those of the first data of the chart."""
        return next(iter(self.found[key]["datasets"].values()))


@pytest.fixture
def marts_in_duckdb(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "warehouse.duckdb"
    with duckdb.connect(file) as connection:
        connection.execute("create schema tlc_marts")
        make_marts(connection.execute, "duckdb")
    monkeypatch.setenv("TLC_WAREHOUSE_URL", f"duckdb://{file}")
    return file


@pytest.fixture(scope="module")
def chromium() -> str:
    return chromium_or_skip()


@contextmanager
def opened_offline(chromium: str, file: str) -> Iterator[tuple[Page, list[str]]]:
    """The page with the network off, and everything that it asked for or complained of."""
    with ui_in_browser(chromium, file) as ui:
        ui.page.context.set_offline(True)
        told: list[str] = []
        ui.page.on("request", lambda request: told.append(request.url))
        ui.page.on("console", lambda message: told.append(message.text))
        ui.page.on("pageerror", lambda error: told.append(str(error)))
        ui.page.goto(Path(file).as_uri())
        expect(ui.page.locator(DRAWN)).to_have_count(ui.page.locator(".chart").count())
        yield ui.page, told


def artifacts_of(key: str) -> list[dict[str, Any]]:
    """The newest of each key that begins so, in order."""
    with get_client(sync_client=True) as client:
        chosen = {"artifacts": {"key": {"like_": f"{key}%"}}, "sort": "KEY_ASC"}
        return client.request("POST", "/artifacts/latest/filter", json=chosen).json()


def test_page_opens_without_the_internet_and_draws_every_row(marts: Database, chromium: str) -> None:
    written = report(target="postgres", start_month=FIRST, end_month=LAST)
    assert written.status == "written"
    assert written.months == [str(month) for month in YEAR[1:]]
    with opened_offline(chromium, written.page) as (page, told):
        assert told == [Path(written.page).as_uri()]
        roles = {key: Counter(found) for key, found in page.locator("figure").evaluate_all(ROLES)}
        assert page.title().startswith("New York taxi trips, 2023-02 to 2024-03")
        expect(page.locator(f"#monthly-zone-revenue {DRAWN}")).to_contain_text(HOSTILE[:20])
        queries = page.locator("pre").all_text_contents()
    assert len(roles) == len(written.charts) == len(MARKS) == 10
    for chart in written.charts:
        assert chart.rows > 0
        expected = {mark: times * chart.rows for mark, times in MARKS[chart.key].items()}
        assert {mark: roles[chart.key][mark] for mark in expected} == expected, chart.key
    assert queries == [chart.query for chart in written.charts]
    # The query that stands there has the rows that stand there.
    assert [len(marts.query(query)) for query in queries] == [chart.rows for chart in written.charts]


def test_charts_have_the_marts_own_numbers(marts: Database) -> None:
    specs = Specs(Path(report(target="postgres", start_month=FIRST, end_month=LAST).page).read_text(encoding="utf-8"))
    shown = {key: specs.rows(key) for key in MARKS}
    assert sum(row["trips"] for row in shown["daily-trips"]) == marts.value(
        f"select sum(trips) from tlc_marts.daily_trips {IN_RANGE}"
    )
    for day, trips in marts.query(
        "select to_char(pickup_hour, 'FMDay') as day, sum(trips) "
        f"from tlc_marts.hourly_zone_trips {IN_RANGE} group by 1"
    ):
        assert sum(row["trips"] for row in shown["hourly-zone-trips"] if row["day"] == day) == trips
    assert shown["monthly-zone-revenue"][0]["revenue"] == marts.value(
        f"select sum(revenue) from tlc_marts.monthly_zone_revenue {IN_RANGE} and zone is null"
    )
    (uber,) = [row for row in shown["service-share"] if (row["company"], row["month"]) == ("Uber", "2024-01")]
    assert uber["percent"] == marts.value(
        "select percent_of_trips from tlc_marts.service_share where company = 'Uber' and source_month = '2024-01-01'"
    )
    assert {(row["payment"], row["service"], row["percent"]) for row in shown["tips"]} == {
        ("Credit card", "yellow", 12.5),
        ("Credit card", "green", 12.5),
        ("Cash", "yellow", 0.0),
        ("Cash", "green", 0.0),
        ("Not said", "yellow", 0.0),
        ("Not said", "green", 0.0),
        ("In the app", "fhvhv", 12.5),
    }
    assert [(row["hour"], row["p50"], row["p90"]) for row in shown["airport-trips"]] == [
        (hour, 30.5 + hour, 50.25 + hour) for hour in (0, 8, 23)
    ]
    (changed,) = [row for row in shown["quarterly-revenue"] if (row["when"], row["service"]) == ("2024 Q1", "green")]
    assert (changed["months"], changed["percent"]) == (3, 13.5)
    assert {(row["p25"], row["p50"], row["p75"], row["p95"]) for row in shown["monthly-fare-percentiles"]} == {
        (7.5, 11.0, 19.5, 52.25)
    }
    slowest = shown["fhv-travel-time"][1]
    assert slowest["p90"] == pytest.approx(
        marts.value(
            "select sum(p90_minutes * trips) / sum(trips) from tlc_marts.fhv_travel_time "
            f"{IN_RANGE} and pu_location_id = 132"
        )
    )
    assert {(row["outcome"], row["rule"], round(row["percent"], 6)) for row in shown["month-quality"]} == {
        ("flagged", "zero_distance", round(300 / 101, 6)),
        ("rejected", "no_pickup_time", round(100 / 101, 6)),
    }


def test_every_chart_is_a_picture_of_the_run_in_the_pages_order(marts: Database) -> None:
    written = report(target="postgres", start_month=FIRST, end_month=LAST)
    summary, *pictures = artifacts_of("report-postgres")
    assert [one["key"] for one in pictures] == [
        f"report-postgres-{number:02d}-{chart.key}" for number, chart in enumerate(written.charts, 1)
    ]
    for picture in pictures:
        kind, _, text = picture["data"].partition(",")
        assert kind == "data:image/svg+xml;base64"
        assert ElementTree.fromstring(b64decode(text)).tag.endswith("svg")
    sentence = f"postgres: 10 charts of 14 months (2023-02 to 2024-03) in {written.page}"
    assert summary["description"] == in_markdown(sentence)
    assert all(chart.query in summary["data"] for chart in written.charts)


def test_warehouse_has_the_same_charts(marts: Database, marts_in_duckdb: Path) -> None:
    there, here = (report(target=target) for target in ("bigquery", "postgres"))
    assert (Path(there.page).name, Path(here.page).name) == ("bigquery.html", "postgres.html")
    assert there.place == f"DuckDB file {marts_in_duckdb}"
    assert [chart.model_dump() for chart in there.charts] == [chart.model_dump() for chart in here.charts]
    first, second = (Specs(Path(one.page).read_text(encoding="utf-8")) for one in (there, here))
    for key in MARKS:
        assert [list(row.values())[:2] for row in first.rows(key)] == [
            list(row.values())[:2] for row in second.rows(key)
        ]


def test_chart_without_rows_is_left_out_and_the_others_are_drawn(marts: Database, chromium: str) -> None:
    marts.query("delete from tlc_marts.tips returning 1")
    written = report(target="postgres", start_month="2024-01", end_month="2024-01")
    assert {chart.key: chart.rows for chart in written.charts}["tips"] == 0
    assert "9 charts of 1 month (2024-01) in" in written.sentence
    with opened_offline(chromium, written.page) as (page, _):
        assert page.locator(DRAWN).count() == 9
        assert "no row in these months" in page.locator("#tips").inner_text()


@pytest.mark.parametrize("target", ["postgres", "bigquery"])
def test_without_models_it_says_what_to_run(environment: Path, target: str) -> None:
    with pytest.raises(ModelsMissing, match=r"^report: .* run build_models for it first"):
        report(target=target)


def test_models_without_a_month_are_told(environment: Path, database: Database) -> None:
    with closing(database.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute("create schema tlc_marts")
        make_marts(cursor.execute, "postgres", months=[])
    with pytest.raises(ModelsMissing, match="have no month yet: run build_models when one is loaded"):
        report(target="postgres")


@pytest.mark.parametrize(
    ("first", "last", "sentence"),
    [
        ("2025-01", "2025-02", "have no month from 2025-01 to 2025-02: they have 15 from 2023-01 to 2024-03"),
        ("2024-02", "2024-01", "start_month 2024-02 is after end_month 2024-01"),
    ],
    ids=["not there", "swapped"],
)
def test_range_without_a_month_is_told_and_the_page_stays(
    marts: Database, first: str, last: str, sentence: str
) -> None:
    before = Path(report(target="postgres", start_month="2024-01").page)
    text = before.read_text(encoding="utf-8")
    with pytest.raises(ParameterError, match=sentence):
        report(target="postgres", start_month=first, end_month=last)
    assert before.read_text(encoding="utf-8") == text
    assert list(before.parent.iterdir()) == [before]


def test_without_the_extra_it_says_what_to_install(marts: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.tasks.report._LIBRARIES", ("no_such_library",))
    with pytest.raises(ChartsNotInstalled, match="install the project with the extra 'charts'"):
        report(target="postgres")
