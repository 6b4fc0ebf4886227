"""What there is to do for a month: the decision, on plain values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from flows.decide.new_months import same_version
from flows.decide.plan import LoadedMonth, SourceVersion, plan_month, plans_of
from flows.tlc.dataset import Dataset
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import LAYOUTS
from flows.tlc.month import Month
from flows.tlc.report import TARGETS, LoadReport
from flows.ui.months import plan_sentence

REQUEST = MonthRequest(Dataset.green, Month(2020, 12))
URL = "http://site/trip-data/green_tripdata_2020-12.parquet"
AT_SOURCE = SourceVersion('"v1"', 1_000_000)


def standing(etag: str = '"v1"', request: MonthRequest = REQUEST, **changes: object) -> LoadedMonth:
    report = LoadReport(
        dataset="green",
        month="2020-12",
        target="postgres",
        source_url=URL,
        source_etag=etag,
        rows_read=10,
        rows_loaded=10,
    )
    found = LoadedMonth(report, request.content_key(etag), datetime(2026, 1, 1, tzinfo=UTC), layouts=LAYOUTS)
    return replace(found, **changes)


def actions(at_source=AT_SOURCE, loads=None, targets=TARGETS, **options):
    return dict(plan_month(REQUEST, at_source, loads or {}, targets, **{"layouts": LAYOUTS} | options).actions)


def test_what_is_nowhere_is_loaded_everywhere() -> None:
    assert actions() == {"postgres": "load", "gcs": "load", "bigquery": "load"}


def test_what_stands_as_the_source_has_it_is_left() -> None:
    assert set(actions(loads=dict.fromkeys(TARGETS, standing())).values()) == {"unchanged"}


@pytest.mark.parametrize(("etag", "rows"), [('"v1"', 83_130), ('"made-up-1a2b-3c"', None), (None, 83_130)])
def test_rows_are_expected_of_the_real_file_alone(etag: str | None, rows: int | None) -> None:
    (plan,) = plans_of([REQUEST], TARGETS, {}, {REQUEST.month: SourceVersion(etag, 1_000_000)})
    assert (plan.rows, plan.bytes) == (rows, 1_000_000)
    expected = "1 of 1 months to load (83,130 rows and 1 MB at the source)."
    assert plan_sentence([plan]) == (expected if rows else "1 of 1 months to load (1 MB at the source).")


def test_force_loads_what_stands() -> None:
    assert set(actions(loads=dict.fromkeys(TARGETS, standing()), force=True).values()) == {"load"}


@pytest.mark.parametrize(
    "other",
    [
        standing('"v0"'),
        standing(request=replace(REQUEST, drop_rules=frozenset({"zero_distance"}))),
        standing(is_intact=False),
    ],
    ids=["another version", "other rules", "rows gone"],
)
def test_what_differs_is_loaded_and_takes_the_warehouse_along(other: LoadedMonth) -> None:
    loads = dict.fromkeys(TARGETS, standing()) | {"gcs": other}
    assert actions(loads=loads | {"bigquery": other})["bigquery"] == "load"
    assert actions(loads=loads)["gcs"] == "load"
    assert actions(loads=loads)["postgres"] == "unchanged"


def test_lake_without_a_wanted_layout_is_written_again() -> None:
    loads = {"gcs": standing(layouts=frozenset({"unpartitioned"}))}
    assert actions(loads=loads, targets=["gcs"])["gcs"] == "load"
    assert actions(loads=loads, targets=["gcs"], layouts={"unpartitioned"})["gcs"] == "unchanged"


def test_month_that_is_not_out_is_no_work() -> None:
    assert set(actions(at_source=None).values()) == {"not_published"}


def test_warehouse_alone_follows_the_lake_whatever_the_source_has() -> None:
    old = standing('"v0"')
    assert actions(targets=["bigquery"]) == {"bigquery": "not_in_lake"}
    assert actions(targets=["bigquery"], loads={"gcs": old}) == {"bigquery": "load"}
    assert actions(targets=["bigquery"], loads={"gcs": old, "bigquery": old}) == {"bigquery": "unchanged"}


def test_source_without_versions_is_loaded_again() -> None:
    assert actions(SourceVersion(None), dict.fromkeys(TARGETS, standing()), ["postgres"]) == {"postgres": "load"}


def test_sizes_are_the_sources_where_it_says_them() -> None:
    plan = plan_month(REQUEST, AT_SOURCE, {}, ["postgres"], layouts=LAYOUTS, expected=(83_130, 1_495_410))
    assert (plan.rows, plan.bytes) == (83_130, 1_000_000)
    assert plan_month(REQUEST, None, {}, ["postgres"], layouts=LAYOUTS, expected=(1, 2)).bytes == 2


def test_regular_look_compares_versions_only() -> None:
    otherwise_conformed = standing(request=replace(REQUEST, drop_rules=frozenset({"zero_distance"})))
    from_mirror = standing('"csv"')
    from_mirror = replace(from_mirror, report=from_mirror.report.model_copy(update={"source_url": URL + ".csv.gz"}))
    for found, expected in ((otherwise_conformed, "unchanged"), (standing('"v0"'), "load"), (from_mirror, "unchanged")):
        assert actions(loads={"postgres": found}, targets=["postgres"], same_version=same_version) == {
            "postgres": expected
        }
