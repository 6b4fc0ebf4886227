"""Zones and codes beside the trips: in every target after a load, new when the source or the schema is, never in its
way."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from deployments.tlc_site.faults import Answer
from deployments.tlc_site.site import TripSite
from flows import api_to_postgres, backfill, load_month
from flows.tasks import codes as refreshing
from flows.tlc.codes import CodeRows, schema_codes
from flows.tlc.locations import ZONES_PATH
from flows.tlc.month import Month

JFK = "select zone from {schema}zones where location_id = 132"
MANY_ZONES = b'"LocationID","Borough","Zone","service_zone"\n' + b'1,"EWR","Newark Airport","EWR"\n' * 40_000
PACKED_ZONES = Answer(200, gzip.compress(MANY_ZONES), {"Content-Encoding": "gzip"})
PAYMENTS = "select t.name from {schema}payment_types t where code = 1"


@pytest.fixture
def answers(environment: Path, database: Any, tmp_path: Path):
    """One query's rows in Postgres, in the lake's Parquet files, and in the DuckDB file."""

    def ask(sql: str) -> list[list[tuple[Any, ...]]]:
        in_lake = f"read_parquet('{tmp_path}/local/lake/codes/"
        lake_sql = sql.replace("{schema}zones", f"{in_lake}zones.parquet')")
        lake_sql = lake_sql.replace("{schema}payment_types", f"{in_lake}payment_types.parquet')")
        lake_sql = lake_sql.replace("{schema}vendors", f"{in_lake}vendors.parquet')")
        with duckdb.connect(tmp_path / "local" / "warehouse.duckdb", read_only=True) as connection:
            in_warehouse = connection.execute(sql.format(schema="tlc.")).fetchall()
        return [database.query(sql.format(schema="tlc.")), duckdb.sql(lake_sql).fetchall(), in_warehouse]

    return ask


def asked(site: TripSite) -> list[str]:
    """How the zones were asked for so far."""
    return [request.method for request in site.requests if request.path == ZONES_PATH]


def republish(site: TripSite, tlc: Path) -> None:
    content = (tlc / "cdn/misc/taxi_zone_lookup.csv").read_text().replace("JFK Airport", "Kennedy")
    site.put(ZONES_PATH, content.encode())


def test_every_target_has_names_for_zones_and_codes(answers, site: TripSite, year: list[Month]) -> None:
    load_month(dataset="green", month=str(year[0]))
    assert answers(JFK) == [[("JFK Airport",)]] * 3
    assert answers(PAYMENTS) == [[("Credit card",)]] * 3
    assert answers("select count(*), count(distinct location_id) from {schema}zones") == [[(265, 265)]] * 3
    assert asked(site) == ["HEAD", "GET", "HEAD"]  # downloaded once for both targets that come from the source

    site.forget_requests()
    assert load_month(dataset="green", month=str(year[0])).statuses == dict.fromkeys(
        ("postgres", "gcs", "bigquery"), "unchanged"
    )
    assert asked(site) == []


def test_zones_published_again_come_with_the_next_load(answers, site: TripSite, tlc: Path, year: list[Month]) -> None:
    load_month(dataset="green", month=str(year[0]))
    republish(site, tlc)
    assert api_to_postgres(dataset="green", month=str(year[0])).status == "unchanged"
    assert answers(JFK) == [[("JFK Airport",)]] * 3
    load_month(dataset="green", month=str(year[1]))
    assert answers(JFK) == [[("Kennedy",)]] * 3


def test_targets_that_have_the_zones_are_not_downloaded_for(
    answers, site: TripSite, year: list[Month], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also on a machine whose cache is empty, as each job in the cloud finds it."""
    load_month(dataset="green", month=str(year[0]))
    site.forget_requests()
    monkeypatch.setenv("TLC_CACHE_DIR", str(tmp_path / "another"))
    load_month(dataset="green", month=str(year[1]))
    assert asked(site) == ["HEAD", "HEAD"]


@pytest.mark.parametrize(
    ("change", "warns"),
    [
        (lambda site: site.remove(ZONES_PATH), "The zones are as they were: SourceBlocked"),
        (lambda site: site.put(ZONES_PATH, b"<html>maintenance</html>"), "The zones are as they were: NotTripFile"),
        (lambda site: site.put(ZONES_PATH, b'"LocationID","Borough","Zone","service_zone"\n'), "it has none"),
        (lambda site: site.put(ZONES_PATH, MANY_ZONES), "The zones are as they were: SourceError.*longer than 1 MiB"),
        (
            lambda site: site.fail(ZONES_PATH, PACKED_ZONES, method="GET", times=None),
            "The zones are as they were: SourceError.*longer than 1 MiB",
        ),
    ],
    ids=["absent", "page", "empty", "long", "packed"],
)
def test_site_without_good_zones_stops_no_load_and_no_codes(
    answers, site: TripSite, year: list[Month], caplog: pytest.LogCaptureFixture, change, warns: str
) -> None:
    change(site)
    outcome = load_month(dataset="green", month=str(year[0]))
    assert set(outcome.statuses.values()) == {"loaded"}
    assert re.search(warns, caplog.text)
    assert answers(PAYMENTS) == [[("Credit card",)]] * 3
    assert answers("select * from {schema}zones") == [[]] * 3


def test_zones_that_fail_for_one_month_of_a_backfill_come_with_the_next(
    answers, site: TripSite, year: list[Month]
) -> None:
    """Running it again would not bring them: it has nothing to load."""
    forbidden = Answer(403, b"", {})
    site.fail(ZONES_PATH, forbidden, times=None)
    load_month(dataset="green", month=str(year[0]))
    site.heal(ZONES_PATH)
    asked_by_two_targets = len(asked(site))
    site.fail(ZONES_PATH, forbidden, times=asked_by_two_targets)
    report = backfill("green", start_month=str(year[1]), end_month=str(year[2]), max_parallel=1)
    assert {status for month in report.months for status in month.statuses.values()} == {"loaded"}
    assert answers("select count(*) from {schema}zones") == [[(265,)]] * 3


def test_zones_of_before_stay_when_the_site_has_bad_ones(answers, site: TripSite, year: list[Month]) -> None:
    load_month(dataset="green", month=str(year[0]))
    site.put(ZONES_PATH, b"<html>maintenance</html>")
    load_month(dataset="green", month=str(year[1]))
    assert answers("select count(*) from {schema}zones") == [[(265,)]] * 3


def test_new_code_of_the_schema_comes_even_if_the_month_is_unchanged(
    answers, site: TripSite, year: list[Month], monkeypatch: pytest.MonkeyPatch
) -> None:
    load_month(dataset="green", month=str(year[0]))
    site.forget_requests()
    vendors = next(rows for rows in schema_codes() if rows.name == "vendors")
    newer = CodeRows(vendors.table, (*vendors.rows, (8, "Somebody new")), "0123456789ab")
    monkeypatch.setattr(refreshing, "schema_codes", lambda: (newer,))
    assert set(load_month(dataset="green", month=str(year[0])).statuses.values()) == {"unchanged"}
    assert answers("select name from {schema}vendors where code = 8") == [[("Somebody new",)]] * 3
    assert asked(site) == []


def test_mirror_has_no_zones_and_is_not_asked_for_them(environment: Path, database: Any, site: TripSite) -> None:
    api_to_postgres(dataset="green", month="2020-12", source="mirror")
    assert asked(site) == []
    assert database.value("select count(*) from tlc.zones") == 0
    assert database.value("select name from tlc.rate_codes where code = 3") == "Newark"
