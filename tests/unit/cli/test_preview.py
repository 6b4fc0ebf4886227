"""``preview`` of files on this machine: the real ones, the bad ones, and what the figures are."""

from __future__ import annotations

import gzip
import json
import math
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from flows.cli.app import app
from flows.cli.terminal import Terminal


def preview(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["preview", *map(str, arguments)])


def as_json(*arguments: str | Path) -> dict:
    result = preview(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_csv_month_is_profiled_conformed(tlc: Path) -> None:
    seen = as_json("--file", tlc / "mirror/green/green_tripdata_2020-10.csv.gz")
    assert (seen["dataset"], seen["month"], seen["is_whole"], seen["rows_in_file"]) == ("green", "2020-10", True, None)
    assert seen["rows_read"] == seen["rows_loaded"] == 95_120
    assert seen["flagged_by_rule"]["distance_over_500_miles"] == 31
    columns = {column["name"]: column for column in seen["columns"]}
    vendors = columns["vendor_id"]
    assert (vendors["type"], vendors["nulls"], vendors["values"]) == ("int16", 42_510, [[2, 42_605], [1, 10_005]])
    assert columns["lpep_pickup_datetime"]["minimum"] == "2008-12-31 23:12:22"
    assert columns["trip_distance"]["maximum"] == 205_654.12
    assert len(seen["first_rows"]) == 4
    assert seen["first_rows"][0]["source_month"] == "2020-10-01"


def test_a_parquet_months_figures_are_those_of_the_whole_file(tlc: Path) -> None:
    path = tlc / "cdn/trip-data/green_tripdata_2023-12.parquet"
    seen = as_json("--file", path, "--all-rows", "--head", "1")
    table = pq.read_table(path)
    columns = {column["name"]: column for column in seen["columns"]}
    total = columns["total_amount"]
    assert total["mean"] == pytest.approx(pc.mean(table["total_amount"]).as_py())
    assert (total["minimum"], total["maximum"]) == tuple(pc.min_max(table["total_amount"]).as_py().values())
    assert columns["pu_location_id"]["distinct"] == pc.count_distinct(table["PULocationID"]).as_py()
    assert columns["payment_type"]["nulls"] == table["payment_type"].null_count
    assert seen["rows_in_file"] == seen["rows_read"] == table.num_rows
    assert len(seen["first_rows"]) == 1


@pytest.mark.parametrize(
    "name", ["cdn/trip-data/green_tripdata_2023-12.parquet", "mirror/green/green_tripdata_2020-12.csv.gz"]
)
def test_reading_stops_after_so_many_rows(tlc: Path, name: str) -> None:
    seen = as_json("--file", tlc / name, "--rows", "20000")
    assert (seen["rows_read"], seen["is_whole"]) == (20_000, False)
    assert all(column["rows"] == 20_000 for column in seen["columns"])


def test_people_get_tables_with_meanings_and_what_is_odd(tlc: Path) -> None:
    result = preview("--file", tlc / "cdn/trip-data/green_tripdata_2023-12.parquet", "--drop-rule", "zero_distance")
    assert result.exit_code == 0
    told = " ".join(result.stdout.split())
    assert re.search(r"1 Credit card \d\d%", told)
    assert "zero_distance 3,274 rejected The meter recorded no distance." in told
    assert "60,941 would be loaded" in told
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("html_page_named_green_tripdata_2020-01.csv.gz", "green 2020-01: .*sent an HTML page"),
        ("git_lfs_pointer_fhv_tripdata_2019-01.csv.gz", "fhv 2019-01: .*Git LFS pointer"),
        ("merge_conflict_yellow_tripdata_2020-01.csv", "yellow 2020-01: .*merge conflict markers"),
    ],
)
def test_a_file_that_is_none_fails_in_one_line(tlc: Path, name: str, words: str) -> None:
    result = preview("--file", tlc / "bad" / name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert re.search(words, result.stderr)


def test_a_month_with_too_many_bad_rows_is_shown_and_fails(tlc: Path, tmp_path: Path) -> None:
    lines = gzip.decompress((tlc / "mirror/green/green_tripdata_2020-10.csv.gz").read_bytes()).splitlines(True)[:1001]
    spoilt = [lines[0], *(line.replace(b",2020-", b",year-", 1) for line in lines[1:51]), *lines[51:]]
    path = tmp_path / "green_tripdata_2020-10.csv"
    path.write_bytes(b"".join(spoilt))
    result = preview("--file", path)
    assert result.exit_code == 1
    assert "unfit_value" in result.stdout
    assert "50 of 1,000 rows cannot be loaded" in result.stderr
    assert json.loads(preview("--file", path, "--json").stdout)["would_fail"].startswith("50 of 1,000 rows")


def test_what_a_file_is_taken_for_can_be_said(tlc: Path, tmp_path: Path) -> None:
    path = tmp_path / "trips.parquet"
    path.symlink_to(tlc / "samples/yellow_tripdata_2025-01_10000rows.parquet")
    result = preview("--file", path)
    assert result.exit_code == 2
    assert "python -m flows preview green 2020-10 --file" in result.stderr
    assert as_json("yellow", "2025-01", "--file", path)["rows_read"] == 10_000


def test_an_unknown_column_is_named_and_can_be_kept(tlc: Path) -> None:
    path = tlc / "yellow_samples/yellow_tripdata_sample_2019-01.csv"
    result = preview("yellow", "2019-01", "--file", path)
    assert result.exit_code == 1
    assert "'pickup_location_id'" in result.stderr
    kept = as_json("yellow", "2019-01", "--file", path, "--new-columns", "keep")
    assert {"name": "pickup_location_id", "type": "string"}.items() <= kept["columns"][-3].items()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["preview"], "which month?"),
        (["preview", "green", "2020-13"], "write it as YYYY-MM"),
        (["preview", "red", "2020-12"], "red"),
        (["preview", "green", "2024-05", "--source", "mirror"], "from 2019-01 to 2021-07 only"),
        (["load", "green", "2020-12", "--target", "oracle"], "choose from postgres, gcs, bigquery"),
        (["load", "green", "2020-12", "--drop-rule", "too_cheap"], "'too_cheap' is no rule"),
        (["load", "fhvhv", "2018-01"], "from 2019-02 on only"),
        (["backfill", "green", "--start-month", "2021-01", "--end-month", "2020-12"], "is after end_month"),
        (["plan", "green", "--start-month", "soon"], "write it as YYYY-MM"),
        (["backfill", "green", "--max-parallel", "0"], "max-parallel"),
    ],
)
def test_wrong_usage_is_told_before_anything_begins(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in " ".join(result.stderr.split())


def test_answer_for_machines_is_json_whatever_the_numbers(capsys) -> None:
    Terminal(as_json=True).answer({"sums": [math.nan, (1.5, -math.inf)], "none": {"at all": math.inf}})
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {
        "sums": [None, [1.5, None]],
        "none": {"at all": None},
    }


def test_texts_without_utf8_are_shown_and_rejected(tlc: Path, tmp_path: Path) -> None:
    table = pq.read_table(tlc / "cdn/trip-data/green_tripdata_2023-12.parquet").slice(0, 400)
    flags = pa.array([b"N\xe9", *[b"N"] * 399]).view(pa.string())
    path = tmp_path / "green_tripdata_2023-12.parquet"
    pq.write_table(table.set_column(3, "store_and_fwd_flag", flags), path)
    seen = as_json("--file", path)
    assert (seen["rows_read"], seen["rejected_by_rule"]) == (400, {"unfit_value": 1})
