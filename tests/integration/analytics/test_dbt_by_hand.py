"""The dbt project without Prefect, as who knows dbt runs it: a plain build, and its statements as BigQuery has them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from flows.dbt.process import models_python
from flows.dbt.project import PROJECT, mart_names
from flows.load.duckdb.models import ensure_sources
from flows.tlc.errors import ModelsNotInstalled
from tests.servers.google_token import service_account_file


@pytest.fixture(scope="session")
def dbt_program() -> Path:
    """The program ``dbt``; without it tests are skipped by name, and CI fails."""
    try:
        return models_python().parent / "dbt"
    except ModelsNotInstalled as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(f"NO DBT: {error}")


def run(program: Path, folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    own = {"DBT_TARGET_PATH": str(folder / "target"), "DBT_LOG_PATH": str(folder / "logs")}
    return subprocess.run(
        [program, "--no-use-colors", *arguments],
        cwd=PROJECT,
        env=os.environ | own | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_a_plain_build_makes_everything_and_passes_every_test_of_it(dbt_program: Path, tmp_path: Path) -> None:
    """Also the unit tests; on tables without a row, since what is in them is tested elsewhere."""
    file = tmp_path / "trips.duckdb"
    with duckdb.connect(file) as connection:
        ensure_sources(connection)
    built = run(
        dbt_program,
        tmp_path,
        "build",
        "--warn-error",
        TLC_MODELS_ENGINE="duckdb",
        TLC_MODELS_DUCKDB_FILE=str(file),
    )
    assert built.returncode == 0, built.stdout
    assert "percentiles_interpolate_between_two_fares" in built.stdout
    with duckdb.connect(file) as connection:
        found = connection.execute("select table_name from information_schema.tables where table_schema = 'tlc_marts'")
        assert {name for (name,) in found.fetchall()} == set(mart_names())
        assert connection.execute("select count(*) from tlc_staging.trips").fetchall() == [(0,)]


def test_every_statement_is_one_that_bigquery_parses(dbt_program: Path, bigquery_adapter: None, tmp_path: Path) -> None:
    """Compiled with dbt's own adapter, for which nothing is asked of a server."""
    key = service_account_file(tmp_path / "key.json", "http://127.0.0.1:1/token", project="test-project")
    compiled = run(
        dbt_program,
        tmp_path,
        "compile",
        "--no-populate-cache",
        TLC_MODELS_ENGINE="bigquery",
        TLC_MODELS_BIGQUERY_METHOD="service-account",
        TLC_MODELS_BIGQUERY_KEYFILE=str(key),
        TLC_MODELS_BIGQUERY_PROJECT="test-project",
        TLC_MONTHS="2024-05,2024-06",
        BIGQUERY_EMULATOR_HOST="http://127.0.0.1:1",
    )
    assert compiled.returncode == 0, compiled.stdout
    files = sorted((tmp_path / "target" / "compiled").rglob("*.sql"))
    assert {path.stem for path in files} >= set(mart_names())
    for path in files:
        text = path.read_text()
        (statement,) = sqlglot.parse(text, dialect="bigquery")
        assert statement is not None and not list(statement.find_all(exp.Command)), path
        if path.parent.name == "marts" and path.stem != "quarterly_revenue":
            assert "in (date '2024-05-01', date '2024-06-01')" in text, path
