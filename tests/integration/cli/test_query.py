"""``query`` and ``export`` on real targets: what is on stdout, on stderr and in the files."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from flows.cli.app import app
from flows.tlc.dataset import Dataset
from flows.tlc.schema import schema_of
from flows.tlc.visible import visible

TARGETS = ("postgres", "warehouse", "lake")


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, f"{result.output} {result.exception}"
    return result


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_answers_the_same_in_every_format(local: Path, target: str) -> None:
    sql = (
        "select source_month, count(*) as trips, sum(total_amount) as total from tlc.green_trips group by 1 order by 1"
    )
    from_pipe = run("query", sql, "-t", target)
    assert from_pipe.stderr == ""
    assert [(row["source_month"], row["trips"]) for row in read_csv(from_pipe.stdout)] == [
        ("2020-10-01", "300"),
        ("2020-12-01", "200"),
    ]
    rows = json.loads(run("query", sql, "-t", target, "--format", "json").stdout)
    assert [row["trips"] for row in rows] == [300, 200]
    file = local / "made.parquet"
    said = run("query", sql, "-t", target, "--output", str(file))
    assert said.stdout == ""
    assert said.stderr.startswith(f"2 rows, {file.stat().st_size:,} bytes → ")
    assert pq.read_table(file)["trips"].to_pylist() == [300, 200]
    assert pq.read_table(file)["total"].to_pylist() == pytest.approx([row["total"] for row in rows])
    table = run("query", sql, "-t", target, "--format", "table")
    assert "2020-10-01" in table.stdout
    assert "2 rows." in table.stderr
    assert [path.name for path in local.iterdir() if "made" in path.name] == ["made.parquet"]


def test_table_has_the_first_rows_and_says_how_to_get_all(local: Path) -> None:
    seen = run("query", "select g from generate_series(1, 5000000) g", "--format", "table")
    assert seen.stdout.split() == ["g", "─" * 5, *map(str, range(1, 101))] or "100" in seen.stdout
    assert "101" not in seen.stdout
    assert "first 100 rows. All of them: --output FILE.csv" in seen.stderr


def test_what_steers_a_terminal_is_shown_and_not_sent(local: Path) -> None:
    sql = "select e'\\x1b]0;owned\\x07\\r\\u202e' as text, 1 as \"a\x1b[31mb\""
    seen = run("query", sql, "--format", "table")
    assert r"\x1b]0;owned\x07\r\u202e" in seen.stdout
    assert r"a\x1b[31mb" in seen.stdout
    assert "\x1b" not in seen.output
    wrong = run("query", "select '\x1b[31m'::integer", code=1)
    assert "\x1b" not in wrong.output
    assert visible("Zürich\n") == r"Zürich\n"


def test_formulas_get_an_apostrophe_and_numbers_do_not(local: Path) -> None:
    sql = "select '=1+1' as a, '-2' as b, -2 as c, -2.5 as d, 'x=1' as e, e'\\tz' as f, '' as g, null::text as \"=h\""
    guarded = run("query", sql)
    assert guarded.stdout == '"a","b","c","d","e","f","g","\'=h"\n"\'=1+1","\'-2",-2,-2.5,"x=1","\'\tz","",\n'
    assert "4 cells begin with an apostrophe that is not in the data" in guarded.stderr
    raw = run("query", sql, "--raw")
    assert raw.stdout == '"a","b","c","d","e","f","g","=h"\n"=1+1","-2",-2,-2.5,"x=1","\tz","",\n'
    assert raw.stderr == ""


def test_values_of_other_types_are_texts_in_csv(local: Path) -> None:
    sql = "select array[1, 2] as a, interval '1 day' as b, '\\x00ff'::bytea as c, 'NaN'::float8 as d"
    assert read_csv(run("query", sql).stdout)[0]["a"] == "[1, 2]"
    assert read_csv(run("query", sql).stdout)[0]["c"] == r"\x00ff"
    (row,) = json.loads(run("query", sql, "--format", "json").stdout)
    assert (row["a"], row["d"]) == ([1, 2], None)
    run("query", sql, "--output", str(local / "x.parquet"))
    assert json.loads(run("query", "select 1 as a where false", "--format", "json").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "sentence", "code"),
    [
        (["select nope from tlc.green_trips"], 'Postgres: column "nope" does not exist.', 1),
        (["drop table tlc.green_trips"], "one SELECT", 1),
        (["drop table tlc.green_trips", "-t", "lake"], "this is DROP, and query runs one SELECT, and nothing else.", 2),
        (["select 1", "--format", "parquet"], "Parquet is written to a file", 2),
        (["select 1", "--output", "made"], "say with --format what it is to be", 2),
        (["select 1", "--output", "made.csv", "--format", "table"], "a table is for the terminal", 2),
        (["select 1", "--output", "/nowhere/made.csv"], "there is no folder /nowhere", 2),
        (["select 1", "--output", "/dev/null", "--format", "csv"], "is no file", 2),
        (["select 1 as a, 2 as a", "--format", "json"], "two columns are called 'a'", 2),
    ],
    ids=range(9),
)
def test_errors_are_one_sentence(local: Path, arguments: list[str], sentence: str, code: int) -> None:
    failed = run("query", *arguments, code=code)
    assert sentence in failed.stderr
    assert len(failed.stderr.splitlines()) == 1
    assert failed.stdout in ("", "[")


def test_a_file_appears_whole_or_not_at_all(local: Path) -> None:
    file = local / "made.csv"
    file.write_text("before")
    sql = "select 1 / (g - 400000) as it from generate_series(1, 500000) g"
    assert "division by zero" in run("query", sql, "--output", str(file), code=1).stderr
    assert file.read_text() == "before"
    full = f"ulimit -f 100; exec {sys.executable} -m flows query 'select g from generate_series(1, 500000) g' -o {file}"
    done = subprocess.run(["bash", "-c", full], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert file.read_text() == "before"
    link = local / "link.csv"
    link.symlink_to(file)
    run("query", "select 1 as one", "--output", str(link))
    assert (file.read_text(), link.is_symlink()) == ('"one"\n1\n', True)
    assert sorted(path.name for path in local.iterdir() if "csv" in path.name) == ["link.csv", "made.csv"]


def test_who_has_read_enough_is_no_error(local: Path) -> None:
    asked = f"{sys.executable} -m flows query 'select g from generate_series(1, 3000000) g' | head -2"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", asked], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, '"g"\n1\n', "")


@pytest.mark.parametrize("target", TARGETS)
def test_export_writes_the_months_columns_and_rows_that_are_asked_for(local: Path, target: str) -> None:
    file = local / "made.parquet"
    months = ("--start-month", "2020-11", "--end-month", "2021-01")
    chosen = ("--columns", "source_month, fare_amount", "--where", "fare_amount > 10 -- dollars", "-t", target)
    said = run("export", "green", *months, *chosen, "--output", str(file))
    found = pq.read_table(file)
    assert found.schema.names == ["source_month", "fare_amount"]
    assert {str(month) for month in found["source_month"].to_pylist()} == {"2020-12-01"}
    assert min(found["fare_amount"].to_pylist()) > 10
    assert "green 2020-11, 2021-01." in said.stderr
    assert f"{found.num_rows} rows, {file.stat().st_size:,} bytes" in said.stderr
    run("export", "green", "-t", target, "--output", str(local / "all.csv"))
    rows = read_csv((local / "all.csv").read_text())
    assert len(rows) == 500
    assert list(rows[0]) == list(schema_of(Dataset.green).names)


def test_export_refuses_what_is_not_there(local: Path) -> None:
    output = ("--output", str(local / "made.csv"))
    wrong = run("export", "green", "--columns", "fare,vendor_id", *output, code=2)
    assert "green trips have no column 'fare': choose from vendor_id, " in wrong.stderr
    assert "no month of fhv trips is loaded into postgres" in run("export", "fhv", *output, code=2).stderr
    backwards = ("--start-month", "2021-01", "--end-month", "2020-01")
    told = run("export", "green", *backwards, *output, code=2).stderr
    assert "start_month 2021-01 is after end_month 2020-01" in told
    escaped = run("export", "green", "--where", "true) union select (1", *output, code=1)
    assert escaped.stderr.startswith("Not in postgres") or "Postgres" in escaped.stderr
    assert not (local / "made.csv").exists()


def test_no_server_is_started_for_it(local: Path) -> None:
    environment = os.environ | {"PREFECT_API_URL": ""}
    command = [sys.executable, "-m", "flows", "query", "select 1 as one"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, '"one"\n1\n', "")
    assert not (local / "prefect" / "prefect.db").exists()
