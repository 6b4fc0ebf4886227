"""API → Postgres on the real files: what is loaded, what a second run does, what a bad file does."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows import api_to_postgres
from flows.tlc.errors import ParameterError, UnknownColumn


def test_month_is_loaded_with_every_row_and_its_ledger(environment: Path, database, tlc: Path) -> None:
    report = api_to_postgres(dataset="green", month="2020-12")

    file = pq.read_table(tlc / "cdn/trip-data/green_tripdata_2020-12.parquet")
    assert report.rows_read == report.rows_loaded == file.num_rows == 83_130
    counted = database.query("select count(*), round(sum(total_amount)::numeric, 2) from tlc.green_trips")[0]
    expected = round(sum(value for value in file["total_amount"].to_pylist() if value is not None), 2)
    assert counted[0] == file.num_rows
    assert float(counted[1]) == pytest.approx(expected)
    assert database.value("select count(*) from tlc.zones") == 265
    ledger = database.query("select dataset, month, target, rows_read, rows_loaded, status, flow_run_id from tlc.loads")
    assert [row[:6] for row in ledger] == [("green", "2020-12", "postgres", 83_130, 83_130, "loaded")]
    assert ledger[0][6] is not None


def test_second_run_downloads_nothing_and_says_unchanged(environment: Path, database, site) -> None:
    first = api_to_postgres(dataset="green", month="2020-12")
    asked = len(site.requests)
    again = api_to_postgres(dataset="green", month="2020-12")

    assert again.status == "unchanged"
    assert (again.rows_read, again.bytes_read) == (first.rows_read, 0)
    assert [request.method for request in site.requests[asked:]] == ["HEAD"]
    assert database.value("select count(*) from tlc.loads") == 1


def test_cache_keeps_no_more_than_the_setting_says(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is memory, a second month has to fit too."""
    monkeypatch.setenv("TLC_CACHE_GIB", "0.0001")
    api_to_postgres(dataset="green", month="2020-12")
    for file in environment.rglob("*.parquet"):
        os.utime(file, (0, 0))  # not in use
    api_to_postgres(dataset="green", month="2023-12")
    assert [file.name for file in environment.rglob("*.parquet")] == ["green_tripdata_2023-12.parquet"]


def test_force_loads_again(environment: Path, database) -> None:
    api_to_postgres(dataset="green", month="2020-12")
    assert api_to_postgres(dataset="green", month="2020-12", force=True).status == "loaded"
    assert database.value("select count(*) from tlc.green_trips") == 83_130
    assert database.value("select count(*) from tlc.loads") == 2


def test_mirror_and_site_are_two_versions_of_a_month(environment: Path, database) -> None:
    api_to_postgres(dataset="green", month="2020-12", source="mirror")
    without_vendor = "select count(*) from tlc.green_trips where vendor_id is null"
    assert database.value(without_vendor) == 36_838
    assert api_to_postgres(dataset="green", month="2020-12", source="tlc").status == "loaded"
    assert database.value(without_vendor) < 36_838


def test_dropped_rows_are_kept_as_rejected(environment: Path, database) -> None:
    report = api_to_postgres(dataset="green", month="2023-12", drop_rules=["zero_distance"])

    assert report.rejected_by_rule == {"zero_distance": 3_274}
    assert report.rows_loaded == 64_215 - 3_274
    assert database.query("select rule, count(*) from tlc.rejected_trips group by 1") == [("zero_distance", 3_274)]
    assert database.value("select bool_and((record->>'trip_distance')::float = 0) from tlc.rejected_trips")


def test_unpublished_month_is_no_failure(environment: Path) -> None:
    assert api_to_postgres(dataset="green", month="2023-11").status == "not_published"


def test_unknown_column_names_the_file_to_change(environment: Path, database, site, tlc: Path, tmp_path: Path) -> None:
    table = pq.read_table(tlc / "cdn/trip-data/green_tripdata_2023-12.parquet")
    pq.write_table(table.append_column("Surprise", table["extra"]), tmp_path / "drifted.parquet")
    site.put("/trip-data/green_tripdata_2023-12.parquet", (tmp_path / "drifted.parquet").read_bytes())

    with pytest.raises(
        UnknownColumn, match=r"'Surprise' is not in flows/tlc/schemas/green.toml.*since = \"2023-12\""
    ) as caught:
        api_to_postgres(dataset="green", month="2023-12")
    assert (caught.value.dataset, caught.value.month) == ("green", "2023-12")

    api_to_postgres(dataset="green", month="2023-12", new_columns="keep")
    assert database.value("select sum(surprise::float) from tlc.green_trips") == pytest.approx(
        sum(table["extra"].to_pylist())
    )
    api_to_postgres(dataset="green", month="2020-12")
    assert database.value("select count(surprise) from tlc.green_trips where source_month = '2020-12-01'") == 0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"dataset": "green", "month": "2013-12"}, "from 2014-01 on"),
        ({"dataset": "fhvhv", "month": "2022-01", "source": "mirror"}, "Choose source='tlc'"),
    ],
)
def test_impossible_month_is_refused_before_any_request(environment: Path, site, parameters, message) -> None:
    with pytest.raises(ParameterError, match=message):
        api_to_postgres(**parameters)
    assert site.requests == []


def test_month_of_wrong_form_is_refused_with_the_right_form(environment: Path) -> None:
    with pytest.raises(Exception, match="write it as YYYY-MM, for example 2020-10"):
        api_to_postgres(dataset="green", month="10/2020")
