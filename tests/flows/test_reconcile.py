"""reconcile on real months in Postgres, a lake and a DuckDB file: what is equal passes, each difference is named."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from prefect.client.orchestration import get_client

from blocks.events import RECONCILE_DIFFERS
from flows import load_month, reconcile
from flows.decide.reconcile.result import ReconcileReport
from flows.tasks import reconcile as reconcile_tasks
from flows.tlc.errors import CheckFailed, ParameterError
from flows.tlc.report import TARGETS

PATH = "/trip-data/green_tripdata_2020-12.parquet"


@pytest.fixture
def places(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lake in a folder and a DuckDB file as the warehouse; returns the folder of both."""
    monkeypatch.setenv("TLC_LAKE_URL", f"file://{tmp_path}/lake")
    monkeypatch.setenv("TLC_WAREHOUSE_URL", f"duckdb:///{tmp_path}/warehouse.duckdb")
    return tmp_path


@pytest.fixture
def load(places: Path) -> Callable[..., None]:
    """Loads months of green into targets, all of them by default."""

    def load(*months: str, targets=TARGETS, **options) -> None:
        for month in months:
            load_month(dataset="green", month=month, targets=list(targets), **options)

    return load


def failure(**parameters) -> str:
    """The sentence with which reconcile fails."""
    with pytest.raises(CheckFailed) as caught:
        reconcile(dataset="green", **parameters)
    return str(caught.value)


def compared(report: ReconcileReport) -> dict[str, dict[str, int | None]]:
    return {
        month.month: {name: totals.rows if totals else None for name, totals in month.places.items()}
        for month in report.months
    }


def artifact(key: str) -> object:
    with get_client(sync_client=True) as client:
        found = client.request("POST", "/artifacts/latest/filter", json={"artifacts": {"key": {"any_": [key]}}})
        return found.json()[0]


def test_equal_months_pass_and_are_shown(load: Callable, site) -> None:
    load("2020-12", "2023-12")
    assert [month.month for month in reconcile(dataset="green").months] == ["2020-12", "2023-12"]
    asked = len(site.requests)
    report = reconcile(dataset="green", start_month="2020-12", end_month="2023-12")

    assert report.differing == []
    assert (report.start_month, report.end_month, report.targets) == ("2020-12", "2023-12", list(TARGETS))
    assert len(report.months) == 37
    places = compared(report)
    assert places["2020-12"] == dict.fromkeys(["postgres", "gcs unpartitioned", "gcs partitioned", "bigquery"], 83_130)
    assert places["2023-12"]["bigquery"] == 64_215
    assert places["2022-01"] == {"postgres": None, "gcs": None, "bigquery": None}
    assert [month.notes for month in report.months[1:-1]] == [["not published"]] * 35
    assert report.months[0].source_rows == 83_130
    assert sum(request.bytes_sent for request in site.requests[asked:] if request.status == 206) < 100_000
    assert "The 37 months 2020-12..2023-12 are the same" in artifact("reconcile-green-months")["description"]
    assert "## green 2020-12..2023-12: equal" in artifact("reconcile-green")["data"]


def test_a_file_that_is_none_ends_no_comparison(load: Callable, site) -> None:
    load("2020-12", "2023-12")
    site.put("/trip-data/green_tripdata_2020-12.parquet", b"<html>" + b"sorry " * 9_000 + b"</html>")
    with pytest.raises(CheckFailed) as caught:
        reconcile(dataset="green")
    first, second = caught.value.report.months
    assert any("could not be looked at" in note for note in first.notes)
    assert (second.differences, second.source_rows) == ([], 64_215)


def test_source_is_added_up_with_the_rules_that_dropped_rows(load: Callable, site) -> None:
    load("2023-12", drop_rules=["zero_distance"])
    asked = len(site.requests)
    report = reconcile(dataset="green", check_source="sums")
    assert report.differing == []
    assert report.months[0].source_rows == 64_215
    assert compared(report)["2023-12"]["postgres"] == 64_215 - 3_274
    assert {request.method for request in site.requests[asked:]} <= {"HEAD", "GET"}
    assert sum(request.bytes_sent for request in site.requests[asked:]) < 50_000


def test_a_row_deleted_by_hand_is_named(load: Callable, database) -> None:
    load("2020-12")
    database.query(
        "delete from tlc.green_trips where ctid = (select min(ctid) from tlc.green_trips where total_amount > 20) "
        "returning 1"
    )
    sentence = failure()
    assert sentence.startswith("green: 1 of 1 months differs: 2020-12: postgres has 83,129 rows, but its own ledger")
    assert "postgres has sum of totals" in sentence
    assert "gcs has" not in sentence
    assert "bigquery has" not in sentence
    assert sentence.endswith("Run backfill for them with targets=['postgres'] and force=True, and reconcile again.")


def test_a_changed_amount_is_found_by_its_cent(load: Callable, places: Path) -> None:
    load("2020-12", targets=["gcs", "bigquery"])
    with duckdb.connect(places / "warehouse.duckdb") as connection:
        connection.execute(
            "update tlc.green_trips set total_amount = total_amount + 0.01 "
            "where rowid = (select min(rowid) from tlc.green_trips where total_amount > 20)"
        )
    sentence = failure(check_source="none")
    assert "bigquery has sum of totals" in sentence
    assert "rows, not" not in sentence


def test_an_object_replaced_in_the_lake_is_named(load: Callable, places: Path) -> None:
    load("2020-12")
    path = places / "lake/trips/green/unpartitioned/green_tripdata_2020-12.parquet"
    table = pq.read_table(path)
    path.unlink()
    pq.write_table(table, path)
    sentence = failure()
    assert f"file://{path} is not the object that the manifest names" in sentence
    assert "targets=['gcs'] and force=True" in sentence


def test_a_month_missing_in_the_warehouse_is_a_difference(load: Callable) -> None:
    load("2020-12")
    load("2023-12", targets=["postgres", "gcs"])
    sentence = failure(check_source="none")
    assert "1 of 2 months differs: 2023-12: bigquery does not have the month, postgres does." in sentence
    assert "targets=['bigquery'], and reconcile again" in sentence
    assert reconcile(dataset="green", check_source="none", targets=["postgres", "gcs"]).differing == []


def test_a_published_month_that_nobody_has_is_a_difference(load: Callable) -> None:
    load("2020-12", targets=["postgres"])
    sentence = failure(end_month="2023-12")
    assert "2023-12: postgres does not have the month, the source does" in sentence
    assert reconcile(dataset="green", end_month="2023-11").differing == []
    assert reconcile(dataset="green", end_month="2023-12", check_source="none").differing == []


def test_a_target_that_was_never_used_is_asked_only_on_demand(load: Callable) -> None:
    load("2020-12", targets=["postgres"])
    report = reconcile(dataset="green")
    assert (report.targets, report.differing) == (["postgres"], [])
    assert "gcs does not have the month, postgres does" in failure(targets=["postgres", "gcs"])


def test_a_republished_month_is_no_mystery(load: Callable, site, tlc: Path) -> None:
    load("2020-12")
    site.put(PATH, (tlc / "cdn/trip-data/green_tripdata_2023-12.parquet").read_bytes())
    sentence = failure()
    assert sentence.count("the source has published the month again since") == 3
    assert "with 64,215 rows, not 83,130" in sentence
    assert "but the source's file has" not in sentence
    assert sentence.endswith("Run backfill for them with targets=['postgres', 'gcs', 'bigquery'], and reconcile again.")
    assert "published the month again" in failure(check_source="sums")

    load("2020-12")
    report = reconcile(dataset="green")
    assert report.months[0].notes == ["TLC has published it again since 2024-05: 64,215 rows, 83,130 then"]


def test_targets_loaded_from_two_sources_or_with_other_rules_differ(load: Callable) -> None:
    load("2020-12", targets=["postgres"], source="mirror")
    load("2020-12", targets=["gcs"])
    assert "was loaded from" in failure()
    load("2020-12", targets=["postgres"], drop_rules=["zero_distance"])
    sentence = failure()
    assert "with nothing dropped, not zero_distance as in" in sentence or "with zero_distance dropped, not" in sentence


def test_the_mirror_is_added_up_only_when_asked(load: Callable, database) -> None:
    load("2020-12", targets=["postgres"], source="mirror")
    report = reconcile(dataset="green")
    assert report.months[0].notes == [
        "how many rows the file has at mirror is not known without a download (check_source='sums')"
    ]
    assert reconcile(dataset="green", check_source="sums").months[0].source_rows == 83_130
    database.query("update tlc.green_trips set trip_distance = 0 where trip_distance > 0 returning 1")
    assert "sum of distances 0.00, not" in failure(check_source="sums")


def test_rows_that_no_load_tells_of_and_loads_without_rows(load: Callable, database, places: Path) -> None:
    load("2020-12", targets=["postgres", "gcs", "bigquery"])
    database.query("alter table tlc.green_trips detach partition tlc.green_trips_2020_12; select 1")
    with duckdb.connect(places / "warehouse.duckdb") as connection:
        connection.execute("delete from tlc.loads")
    sentence = failure(targets=["postgres", "gcs", "bigquery"])
    assert "postgres has 0 rows, but its own ledger says 83,130" in sentence
    assert "bigquery has 83,130 rows without a load in its ledger" in sentence


def test_a_month_loaded_meanwhile_is_looked_at_again(load: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the ledgers and the sums another run replaces the month: that is no difference."""
    load("2023-12", targets=["postgres"])
    sum_tables, looks = reconcile_tasks._sum_tables, []

    def sum_after_another_load(*arguments):
        if not looks:
            load("2023-12", targets=["postgres"], drop_rules=["zero_distance"])
        looks.append(1)
        return sum_tables(*arguments)

    monkeypatch.setattr(reconcile_tasks, "_sum_tables", sum_after_another_load)
    report = reconcile(dataset="green")
    assert compared(report) == {"2023-12": {"postgres": 64_215 - 3_274}}
    assert len(looks) == 2


def test_a_difference_is_an_event_and_the_run_is_named(load: Callable) -> None:
    load("2020-12", targets=["postgres"])
    state = reconcile(dataset="green", end_month="2023-12", return_state=True)
    assert state.is_failed()
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(state.state_details.flow_run_id)
        assert run.name == "reconcile green ..2023-12"
        wanted = {
            "filter": {"event": {"name": [RECONCILE_DIFFERS]}, "related": {"id": [f"prefect.flow-run.{run.id}"]}},
            "limit": 1,
        }
        deadline = time.monotonic() + 30
        while not (events := client.request("POST", "/events/filter", json=wanted).json()["events"]):
            assert time.monotonic() < deadline, "the event never came"
            time.sleep(0.2)
    assert events[0]["resource"]["prefect.resource.id"] == "tlc.dataset.green"
    assert events[0]["payload"]["dataset"] == "green"
    assert events[0]["payload"]["months"] == ["2023-12"]
    assert events[0]["payload"]["sentence"] in state.message


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"start_month": "2021-01", "end_month": "2020-12"}, "start_month 2021-01 is after end_month 2020-12"),
        ({"start_month": "2013-12"}, "from 2014-01 on"),
        ({"targets": ["postgres"]}, "postgres has no month to compare"),
    ],
)
def test_parameters_are_checked_before_anything_is_asked(places: Path, site, parameters: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        reconcile(dataset="green", **parameters)
    assert site.requests == []


def test_where_nothing_is_loaded_there_is_nothing_to_compare(places: Path, site) -> None:
    """And nobody to be alarmed: schedules are there before the first load."""
    report = reconcile(dataset="green")
    assert (report.months, report.start_month) == ([], None)
    assert report.sentence == "Nothing is loaded, so there is nothing to compare."
    assert site.requests == []


def test_a_wrong_month_says_how_to_write_it(places: Path) -> None:
    with pytest.raises(Exception, match="write it as YYYY-MM"):
        reconcile(dataset="green", start_month="2020-13")
