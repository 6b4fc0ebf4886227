"""A regular look at the source: what is new or published again is loaded, and the rest left alone."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from blocks.events import RUN_STILL_RUNNING
from deployments.tlc_site.faults import Answer
from flows import api_to_postgres, backfill, sync_new_months
from flows.tlc.errors import MonthsFailed
from flows.tlc.month import newest_month
from tests.flows.conftest import ROWS, path_of

NEWEST = newest_month(datetime.now(UTC))
SYNC = {"datasets": ["green"], "targets": ["postgres"]}
COUNT = "select count(*) from tlc.green_trips where source_month = %s"


@pytest.fixture
def recent(site, year_files) -> list:
    """The months that can be out now, the newest of which is not."""
    months = [NEWEST.plus(-back) for back in (3, 2, 1)]
    for month, content in zip(months, year_files.values(), strict=False):
        site.put(path_of(month), content)
    return months


def test_first_run_loads_the_newest_month_alone(environment: Path, database, recent) -> None:
    report = sync_new_months(**SYNC)
    assert report.loaded == [f"green {recent[-1]}"]
    assert report.not_out_yet == {"green": str(NEWEST)}
    assert database.value("select count(*) from tlc.green_trips") == ROWS


def test_new_months_are_loaded_and_then_nothing_is(environment: Path, database, recent, site) -> None:
    api_to_postgres(dataset="green", month=str(recent[0]))
    site.forget_requests()
    report = sync_new_months(**SYNC)
    assert report.loaded == [f"green {month}" for month in recent[1:]]
    assert report.not_out_yet == {"green": str(NEWEST)}

    site.forget_requests()
    report = sync_new_months(**SYNC)
    assert (report.loaded, report.not_out_yet) == ([], {"green": str(NEWEST)})
    bodies = [request.path for request in site.requests if request.method == "GET" and request.status == 200]
    assert bodies == []
    assert len(site.requests) <= 3 + 3  # the loaded ones, and what finds out that one is not there


def test_republished_month_is_loaded_again_where_it_stands(environment, database, recent, site, year_files) -> None:
    sync_new_months(datasets=["green"], start_month=str(recent[0]))
    site.put(path_of(recent[0]), list(year_files.values())[5])
    report = sync_new_months(datasets=["green"])
    assert [month.statuses for month in report.months if month.month == str(recent[0])] == [
        {"postgres": "loaded", "gcs": "loaded", "bigquery": "loaded"}
    ]
    assert report.loaded == [f"green {recent[0]}"]
    assert database.value("select count(*) from tlc.loads where month = %s", str(recent[0])) == 2


def test_month_that_failed_while_a_later_one_was_loaded_is_not_forgotten(environment, recent, site, year_files) -> None:
    api_to_postgres(dataset="green", month=str(recent[0]))
    site.put(path_of(recent[1]), b"<html></html>")
    with pytest.raises(MonthsFailed):
        sync_new_months(**SYNC)
    site.put(path_of(recent[1]), list(year_files.values())[1])
    assert sync_new_months(**SYNC).loaded == [f"green {recent[1]}"]


def test_month_in_one_layout_is_left_in_it(environment: Path, recent) -> None:
    span = {"start_month": str(recent[-1]), "end_month": str(recent[-1])}
    backfill(dataset="green", **span, targets=["gcs"], layout="unpartitioned")
    assert sync_new_months(datasets=["green"], targets=["gcs"]).loaded == []


def test_republished_month_is_cleaned_as_before(environment: Path, database, recent, site, tlc) -> None:
    api_to_postgres(dataset="green", month=str(recent[-1]), drop_rules=["zero_distance"])
    site.put(path_of(recent[-1]), (tlc / "cdn/trip-data/green_tripdata_2023-12.parquet").read_bytes())
    api_to_postgres(dataset="green", month=str(recent[-1]), drop_rules=["zero_distance"], force=True)
    site.put(path_of(recent[-1]), (tlc / "cdn/trip-data/green_tripdata_2020-12.parquet").read_bytes())
    (month,) = [each for each in sync_new_months(**SYNC).months if each.month == str(recent[-1])]
    assert month.reports[0].rejected_by_rule["zero_distance"] > 0


def test_republished_month_is_cleaned_in_each_target_as_it_was_there(
    environment: Path, database, recent, site, tlc
) -> None:
    month = str(recent[-1])
    site.put(path_of(recent[-1]), (tlc / "cdn/trip-data/green_tripdata_2023-12.parquet").read_bytes())
    backfill(dataset="green", start_month=month, end_month=month, targets=["gcs", "bigquery"])
    api_to_postgres(dataset="green", month=month, drop_rules=["zero_distance"])
    site.put(path_of(recent[-1]), (tlc / "cdn/trip-data/green_tripdata_2020-12.parquet").read_bytes())
    report = sync_new_months(datasets=["green"])
    (found,) = [each for each in report.months if each.month == month]
    assert found.statuses == {"postgres": "loaded", "gcs": "loaded", "bigquery": "loaded"}
    rejected = {leg.target: leg.report.rejected_by_rule for leg in found.legs}
    assert rejected["postgres"]["zero_distance"] > 0
    assert rejected["gcs"] == rejected["bigquery"] == {}
    assert {leg.target: leg.report.drop_rules for leg in found.legs} == {
        "postgres": ["zero_distance"],
        "gcs": [],
        "bigquery": [],
    }
    assert sync_new_months(datasets=["green"]).loaded == []


def test_months_beyond_the_recheck_are_not_asked_for(environment: Path, recent, site) -> None:
    sync_new_months(**SYNC, start_month=str(recent[0]))
    site.forget_requests()
    sync_new_months(**SYNC, recheck_months=1)
    assert path_of(recent[0]) not in {request.path for request in site.requests}


def test_months_cleaned_otherwise_or_from_the_mirror_are_left_alone(environment: Path, database, recent) -> None:
    backfill(dataset="green", start_month="2020-12", end_month="2020-12", source="mirror", targets=["postgres"])
    api_to_postgres(dataset="green", month=str(recent[-1]), drop_rules=["zero_distance"])
    assert sync_new_months(**SYNC).loaded == []


def test_blocked_client_fails_and_is_told_so(environment: Path, recent, site) -> None:
    for path in (*map(path_of, recent), "/misc/taxi_zone_lookup.csv"):
        site.fail(path, Answer(403), method=None, times=None)
    with pytest.raises(Exception, match="the source refuses this client"):
        sync_new_months(**SYNC)


def test_dataset_that_cannot_be_planned_keeps_no_other_from_being_loaded(environment, database, recent) -> None:
    """Somebody has written to the ledger what is no month: the others have news of their own."""
    api_to_postgres(dataset="green", month=str(recent[0]))
    columns = [
        name
        for (name,) in database.query(
            "select attname from pg_attribute where attrelid = 'tlc.loads'::regclass and attnum > 0 "
            "and not attisdropped and attname not in ('load_id', 'dataset', 'month')"
        )
    ]
    kept = ", ".join(columns)
    database.query(
        f"insert into tlc.loads (dataset, month, {kept}) select 'fhv', 'May', {kept} from tlc.loads returning 1"
    )
    with pytest.raises(MonthsFailed, match=r"Loaded: green .*Not looked at: fhv: ") as caught:
        sync_new_months(datasets=["fhv", "green"], targets=["postgres"])
    report = caught.value.report
    assert report.loaded == [f"green {month}" for month in recent[1:]]
    assert list(report.failed_datasets) == ["fhv"]
    assert report.not_out_yet == {"green": str(NEWEST)}


def test_month_that_fails_is_told_with_what_to_do(environment: Path, recent, site) -> None:
    site.put(path_of(recent[-1]), b"<html></html>")
    with pytest.raises(MonthsFailed, match=rf"green {recent[-1]} → postgres: .*HTML page.*Run it again"):
        sync_new_months(**SYNC, start_month=str(recent[0]))


def test_every_loaded_month_is_an_event_and_an_asset(environment: Path, recent) -> None:
    began = datetime.now(UTC)
    sync_new_months(datasets=["green"])
    wanted = {f"tlc.month.{target}.green.{recent[-1]}" for target in ("postgres", "gcs", "bigquery")}
    assets = {"postgres://tlc/green_trips", "lake://tlc/green_trips", "warehouse://tlc/green_trips"}
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        seen = events_since(began)
        loaded = {event["resource"]["prefect.resource.id"] for event in seen if event["event"] == "tlc.month.loaded"}
        made = {
            event["resource"]["prefect.resource.id"]
            for event in seen
            if event["event"] == "prefect.asset.materialization.succeeded"
        }
        if loaded >= wanted and made >= assets:
            break
        time.sleep(0.5)
    assert (loaded & wanted, made & assets) == (wanted, assets)


def events_since(began: datetime) -> list[dict]:
    with get_client(sync_client=True) as client:
        asked = {"filter": {"occurred": {"since": began.isoformat()}}, "limit": 50}
        answer = client.request("POST", "/events/filter", json=asked).json()
        found = answer["events"]
        while answer.get("next_page"):
            answer = client.request("GET", answer["next_page"].partition("/api")[2]).json()
            found += answer["events"]
        return found


def test_runs_that_have_not_ended_are_watched_anew(environment: Path, recent) -> None:
    """Itself is one of them, of a flow whose name the automations ask for."""
    began = datetime.now(UTC)
    state = sync_new_months(**SYNC, return_state=True)
    run = f"prefect.flow-run.{state.state_details.flow_run_id}"
    deadline = time.monotonic() + 30
    while not (told := [each for each in events_since(began) if each["event"] == RUN_STILL_RUNNING and of(each, run)]):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert [one["prefect.resource.name"] for one in told[0]["related"]] == ["sync-new-months"]


def of(event: dict, resource: str) -> bool:
    return event["resource"]["prefect.resource.id"] == resource
