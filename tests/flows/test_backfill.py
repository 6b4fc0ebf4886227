"""Ranges of months into any targets: the plan, what is loaded, what a failure stops, what a second run does."""

from __future__ import annotations

import io
import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prefect.client.orchestration import get_client

from deployments.tlc_site.synthetic.months import make_month
from flows import backfill, load_month
from flows.tasks.plan import plan_months
from flows.tlc.dataset import Dataset
from flows.tlc.errors import MonthsFailed, ParameterError
from flows.tlc.identity import MonthRequest
from flows.ui.months import plan_sentence
from tests.flows.conftest import ROWS, path_of

RANGE = {"dataset": "green", "start_month": "2018-11", "end_month": "2019-02"}
MONTHS = ["2018-11", "2018-12", "2019-01", "2019-02"]
COUNTS = "select to_char(source_month, 'YYYY-MM'), count(*) from tlc.green_trips group by 1 order by 1"


def statuses(report) -> dict[str, dict[str, str]]:
    return {month.month: month.statuses for month in report.months}


def table_of(key: str) -> list[dict]:
    """The newest table artifact of that key, parsed."""
    with get_client(sync_client=True) as client:
        found = client.request("GET", f"/artifacts/{key}/latest").json()
    return json.loads(found["data"])


def test_range_over_the_end_of_a_year_is_loaded_into_all_targets(environment: Path, database, year) -> None:
    report = backfill(**RANGE)

    assert [month.month for month in report.months] == MONTHS
    assert {status for month in report.months for status in month.statuses.values()} == {"loaded"}
    assert database.query(COUNTS) == [(month, ROWS) for month in MONTHS]
    with duckdb.connect(environment.parent / "local" / "warehouse.duckdb", read_only=True) as warehouse:
        assert warehouse.execute("select count(*) from tlc.green_trips").fetchone() == (4 * ROWS,)
    assert [len(row) for row in table_of("backfill-green-plan")] == [6] * 4
    assert [row["→ bigquery"] for row in table_of("backfill-green")] == ["loaded"] * 4


def test_second_run_asks_once_a_month_and_does_nothing(environment: Path, database, year, site) -> None:
    backfill(**RANGE, targets=["postgres", "gcs"])
    site.forget_requests()
    report = backfill(**RANGE, targets=["postgres", "gcs"])
    assert [request.method for request in site.requests] == ["HEAD"] * 4
    assert {status for month in report.months for status in month.statuses.values()} == {"unchanged"}
    assert [month.legs[0].rows_loaded for month in report.months] == [ROWS] * 4
    assert database.value("select count(*) from tlc.loads") == 4


def test_plan_only_says_what_there_is_to_do_and_does_nothing(
    environment: Path, database, year, site, caplog: pytest.LogCaptureFixture
) -> None:
    backfill(**RANGE | {"end_month": "2018-12"}, targets=["postgres"])
    site.forget_requests()
    report = backfill(**RANGE | {"end_month": "2019-07"}, plan_only=True)

    assert report.months == []
    assert [row["→ postgres"] for row in report.plan] == [*["unchanged"] * 2, *["load"] * 6, "not_published"]
    assert {row["→ gcs"] for row in report.plan[:-1]} == {"load"}
    assert "8 of 9 months to load" in caplog.text
    assert report.plan[0]["rows expected"] == "673,287"  # as TLC's real file of the month has
    assert {request.method for request in site.requests if request.status == 200} == {"HEAD"}
    assert database.value("select count(*) from tlc.loads") == 2


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"dataset": "fhv", "start_month": "2012-01"}, "the source 'tlc' has fhv trips from 2015-01 on only."),
        (
            {"dataset": "green", "start_month": "2020-02", "end_month": "2020-01"},
            "start_month 2020-02 is after end_month 2020-01: the range has no month. Swap them, or leave one out.",
        ),
    ],
    ids=["too early", "end before start"],
)
def test_wrong_range_is_one_sentence_in_state_and_log(
    environment: Path, parameters: dict[str, str], sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    state = backfill(**parameters, return_state=True)
    assert state.is_failed()
    assert str(state.message).endswith(sentence)
    told = [record for record in caplog.records if sentence in record.getMessage()]
    assert [record.getMessage().startswith("ParameterError: ") for record in told] == [True, False]  # and the state
    assert [record for record in caplog.records if record.levelname != "DEBUG" and record.exc_info] == []


def test_month_that_is_not_published_warns_of_nothing_else(environment: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert set(load_month(dataset="green", month="2023-11").statuses.values()) == {"not_published"}
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == []
    assert load_month(dataset="green", month="2023-11", targets=["bigquery"]).statuses == {"bigquery": "not_published"}
    assert "Run api_to_gcs for it first" in caplog.text


def test_months_that_do_not_exist_are_named_and_no_failure(environment: Path, year, site) -> None:
    site.remove(path_of(year[5]))  # 2018-12
    report = backfill(**RANGE, targets=["postgres"])
    assert [statuses(report)[month]["postgres"] for month in MONTHS] == ["loaded", "not_published", "loaded", "loaded"]


def test_failing_month_stops_no_other_and_the_run_says_which_and_why(environment: Path, database, year, site) -> None:
    site.put(path_of(year[5]), b"<!DOCTYPE html><html>sorry</html>")
    with pytest.raises(
        MonthsFailed, match=r"1 of 4 months failed: green 2018-12 → postgres, gcs: .*HTML page"
    ) as error:
        backfill(**RANGE)
    assert "Run it again" in str(error.value)
    assert [month for month, _ in database.query(COUNTS)] == ["2018-11", "2019-01", "2019-02"]
    row = table_of("backfill-green")[1]
    assert (row["→ postgres"], row["→ gcs"], row["→ bigquery"]) == ("failed", "failed", "skipped")
    assert "HTML page" in row["what to do"]


def test_month_with_too_many_bad_rows_is_read_once_for_all_its_targets(environment: Path, database, year, site) -> None:
    month = make_month(Dataset.green, year[5], ROWS, anomalies=False)
    times = pa.array(["12/01/2018 12:29:37 AM"] * ROWS)
    content = io.BytesIO()
    pq.write_table(month.set_column(1, month.schema.names[1], times), content)
    site.put(path_of(year[5]), content.getvalue())
    site.forget_requests()
    with pytest.raises(MonthsFailed, match=r"lpep_pickup_datetime has 2,000 values such as .*a US date") as error:
        backfill(**RANGE | {"start_month": "2018-12", "end_month": "2018-12"}, targets=["postgres", "gcs"])
    legs = error.value.report.months[0].legs
    assert [leg.status for leg in legs] == ["failed", "failed"]
    assert legs[0].sentence == legs[1].sentence
    asked = [request.method for request in site.requests if request.path == path_of(year[5])]
    assert asked == ["HEAD", "HEAD", "GET"]  # the plan, and the first of the targets


def test_run_again_after_a_failure_loads_only_what_is_missing(environment, database, year, year_files, site) -> None:
    site.put(path_of(year[5]), b"<html></html>")
    with pytest.raises(MonthsFailed):
        backfill(**RANGE, targets=["postgres"])
    site.put(path_of(year[5]), year_files[year[5]])
    site.forget_requests()
    report = backfill(**RANGE, targets=["postgres"])
    assert [status["postgres"] for status in statuses(report).values()] == [
        "unchanged",
        "loaded",
        "unchanged",
        "unchanged",
    ]
    assert [request.path for request in site.requests if request.method == "GET"] == [path_of(year[5])]
    assert database.query(COUNTS) == [(month, ROWS) for month in MONTHS]


def test_one_target_that_fails_leaves_the_others_loaded(
    environment: Path, database, year, monkeypatch, tmp_path
) -> None:
    (tmp_path / "taken").write_text("no folder")
    monkeypatch.setenv("TLC_LAKE_URL", f"file://{tmp_path}/taken/lake")
    with pytest.raises(MonthsFailed, match=r"^green 2019-01: → gcs: .*loads only what is missing"):
        load_month(dataset="green", month="2019-01", targets=["bigquery", "gcs", "postgres"])
    assert database.query(COUNTS) == [("2019-01", ROWS)]


def test_warehouse_alone_without_the_lake_is_told_what_to_add(environment: Path, year) -> None:
    report = backfill(**RANGE, targets=["bigquery"])
    assert {leg.status for month in report.months for leg in month.legs} == {"skipped"}
    assert "add gcs to the targets" in report.months[0].legs[0].sentence
    assert not report.has_any
    assert "4 not in lake" in plan_sentence(plan_months([MonthRequest(Dataset.green, year[4])] * 4, ["bigquery"]))


def test_force_loads_again(environment: Path, database, year) -> None:
    backfill(**RANGE, targets=["postgres"])
    backfill(**RANGE, targets=["postgres"], force=True, max_parallel=4)
    assert database.query("select month, count(*) from tlc.loads group by 1 order by 1") == [(m, 2) for m in MONTHS]
    assert database.query(COUNTS) == [(month, ROWS) for month in MONTHS]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"start_month": "2020-02", "end_month": "2020-01"}, "start_month 2020-02 is after end_month 2020-01"),
        ({"start_month": "2013-01", "end_month": "2014-02"}, "from 2014-01 on"),
        ({"start_month": "2021-06", "end_month": "2021-08", "source": "mirror"}, "Choose source='tlc'"),
        ({"start_month": "2019-01", "end_month": "2019-01", "run_on": "dask"}, "needs dask_address"),
    ],
)
def test_impossible_request_is_refused_before_any_request(environment: Path, site, parameters, message) -> None:
    with pytest.raises(ParameterError, match=message):
        backfill(dataset="green", **parameters)
    assert site.requests == []


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"start_month": "2020-13"}, "write it as YYYY-MM, for example 2020-10"),
        ({"targets": []}, "at least 1 item"),
        ({"max_parallel": 0}, "greater than or equal to 1"),
    ],
)
def test_malformed_parameters_are_refused_with_the_right_form(environment: Path, parameters, message) -> None:
    with pytest.raises(Exception, match=message):
        backfill(dataset="green", **parameters)


def test_range_that_is_not_given_is_the_last_year_that_can_be_out(environment: Path, year) -> None:
    report = backfill(dataset="green", source="mirror", plan_only=True)
    assert (report.start_month, report.end_month) == ("2020-08", "2021-07")
    assert [row["→ postgres"] for row in report.plan][2:5] == ["load"] * 3


def test_load_month_reports_each_target(environment: Path, year) -> None:
    outcome = load_month(dataset="green", month="2019-01", layout="unpartitioned")
    assert outcome.statuses == {"postgres": "loaded", "gcs": "loaded", "bigquery": "loaded"}
    assert [report.rows_loaded for report in outcome.reports] == [ROWS] * 3
    assert load_month(dataset="green", month="2019-01").statuses["gcs"] == "loaded"  # the other layout
