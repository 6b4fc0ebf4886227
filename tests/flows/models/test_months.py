"""A month that was published again, removed or rejected in part changes its marts, and no other month's."""

from __future__ import annotations

from typing import Any

import pytest

from flows import build_models
from flows.dbt.project import mart_names
from flows.tlc.errors import ModelsFailed
from tests.flows.models.conftest import Put, Targets, load

TABLES = [name for name in mart_names() if name != "quarterly_revenue"]  # which compares a month with others


def marts_of(targets: Targets, target: str, month: str, marts: list[str] = TABLES) -> dict[str, Any]:
    return {mart: targets.rows(target, mart, f"source_month = date '{month}-01'") for mart in marts}


def trips(targets: Targets, target: str, mart: str = "daily_trips") -> dict[tuple[str, str], int]:
    """The trips of a mart by service and month."""
    sql = f"select service, source_month, sum(trips) from tlc_marts.{mart} group by service, source_month"
    return {(service, f"{month:%Y-%m}"): int(count) for service, month, count in targets.query(target, sql)}


def in_ledger(targets: Targets, target: str) -> dict[tuple[str, str], int]:
    """The loaded rows of each month's last load."""
    sql = "select dataset, month, rows_loaded from tlc.loads order by load_id"
    return {(dataset, month): rows for dataset, month, rows in targets.query(target, sql)}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("target", ["postgres", "bigquery"])
def test_only_the_marts_of_a_changed_month_change(target: str, targets: Targets, publish: Put) -> None:
    for dataset, month in (("green", "2023-10"), ("green", "2023-11"), ("fhv", "2023-11")):
        publish(dataset, month)
        load(dataset, month, target)
    assert build_models(target=target).months == ["2023-10", "2023-11"]
    before = {month: marts_of(targets, target, month) for month in ("2023-10", "2023-11")}
    assert trips(targets, target) == in_ledger(targets, target)

    publish("green", "2023-11", rows=1_500, seed=1)
    load("green", "2023-11", target, drop_rules=["zero_distance"])
    report = build_models(target=target)
    assert (report.status, report.months) == ("built", ["2023-11"])
    assert marts_of(targets, target, "2023-10") == before["2023-10"]
    changed = marts_of(targets, target, "2023-11")
    assert {mart for mart in TABLES if changed[mart] == before["2023-11"][mart]} == {"fhv_travel_time"}
    assert trips(targets, target) == in_ledger(targets, target)
    rejected = {row[3]: row[4] for row in changed["month_quality"] if row[1:3] == ("green", "rejected")}
    assert rejected["zero_distance"] > 0

    load("green", "2023-11", target, drop_rules=["zero_distance"], force=True)  # the same rows once more
    assert build_models(target=target, select="daily_trips tips").months == ["2023-11"]
    assert build_models(target=target, select="daily_trips tips").status == "unchanged"
    assert marts_of(targets, target, "2023-11") == changed

    targets.remove(target, "green", "2023-11")
    assert build_models(target=target).months == ["2023-11"]
    assert ("green", "2023-11") not in trips(targets, target)
    assert trips(targets, target)["fhv", "2023-11"] == in_ledger(targets, target)["fhv", "2023-11"]
    assert marts_of(targets, target, "2023-10") == before["2023-10"]
    quality = marts_of(targets, target, "2023-11", ["month_quality"])["month_quality"]
    assert ("green", "removed") in {row[1:3] for row in quality}
    assert build_models(target=target).status == "unchanged"


@pytest.mark.timeout(900)
def test_rows_that_went_behind_the_ledgers_back_fail_the_run(targets: Targets, publish: Put) -> None:
    publish("green", "2023-10")
    load("green", "2023-10", "postgres")
    targets.query("postgres", "delete from tlc.green_trips where payment_type = 1 returning 1")
    with pytest.raises(ModelsFailed) as failed:
        build_models(target="postgres", select="daily_trips tips")
    report = failed.value.report
    assert report.status == "failed"
    assert "model daily_trips fails its test matches_ledger in 1 row: with ledger as" in str(failed.value)
    node = next(node for node in report.failures if node.model == "daily_trips")
    assert len(targets.query("postgres", node.query)) == node.rows == 1
    # What failed is not taken for built.
    with pytest.raises(ModelsFailed):
        build_models(target="postgres", select="daily_trips tips")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("target", ["postgres", "bigquery"])
def test_names_that_come_later_are_in_the_months_of_before(target: str, targets: Targets, publish: Put) -> None:
    """A mart has names of zones, and the mirror has none."""
    names = (
        "select count(zone), count(*) from tlc_marts.monthly_zone_revenue "
        "where source_month = date '2020-12-01' and pu_location_id between 1 and 263"
    )
    load("green", "2020-12", target, source="mirror")
    report = build_models(target=target, select="monthly_zone_revenue")
    assert report.months == ["2020-12"]
    assert {node.model for node in report.of("test", "passed")} == {"monthly_zone_revenue", "zones"}  # of no other mart
    ((named, zones),) = targets.query(target, names)
    assert named == 0 < zones
    assert build_models(target=target, select="monthly_zone_revenue").status == "unchanged"

    publish("fhv", "2023-11")
    load("fhv", "2023-11", target)
    assert build_models(target=target, select="monthly_zone_revenue").months == ["2020-12", "2023-11"]
    assert targets.query(target, names) == [(zones, zones)]
    assert build_models(target=target, select="monthly_zone_revenue").status == "unchanged"
