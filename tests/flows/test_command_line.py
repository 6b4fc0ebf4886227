"""The commands that load and look, on real months, a real Postgres and Prefect's server."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL
from typer.testing import CliRunner, Result

from blocks.names import TLC_SOURCE
from deployments.tlc_site.site import TripSite
from flows.cli.app import app
from flows.cli.run import CONSOLE_LEVEL, STARTUP_SECONDS
from tests.conftest import Database

GREEN_2020_12 = "/trip-data/green_tripdata_2020-12.parquet"


@pytest.fixture(autouse=True)
def _prefects_console_speaks_again(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what a command does to its process for good."""
    for name in (CONSOLE_LEVEL, STARTUP_SECONDS):
        monkeypatch.setenv(name, os.environ.get(name, ""))
        monkeypatch.delenv(name)
    levels = [(handler, handler.level) for handler in logging.getLogger().handlers]
    yield
    for handler, level in levels:
        handler.setLevel(level)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def answer(*arguments: str, code: int = 0) -> dict:
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def shell(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows", *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        env={name: value for name, value in (os.environ | environment).items() if value},
        check=False,
    )


def test_status_follows_a_month_from_nothing_to_a_new_publication(environment: Path, site: TripSite, tlc: Path) -> None:
    postgres = ("--target", "postgres")
    nothing = run("status", *postgres)
    assert (nothing.exit_code, nothing.stdout.startswith("Nothing is loaded yet.")) == (0, True)

    loaded = answer("load", "green", "2020-12", *postgres)
    assert [(leg["status"], leg["rows_loaded"]) for leg in loaded["legs"]] == [("loaded", 83_130)]
    again = run("load", "green", "2020-12", *postgres)
    assert again.exit_code == 0
    assert "postgres unchanged 83,130" in " ".join(again.stdout.split())

    (there,) = answer("status", "green", *postgres)["loads"]
    assert {"month": "2020-12", "target": "postgres", "rows": 83_130, "freshness": "current"}.items() <= there.items()
    run("load", "green", "2020-12", "--drop-rule", "zero_distance", "--force", *postgres)
    otherwise = run("status", "green", *postgres).stdout
    assert "green 2020-12 were loaded by other rules than today's" in otherwise
    assert "python -m flows backfill green --start-month 2020-12 --end-month 2020-12" in otherwise
    run("load", "green", "2020-12", *postgres)
    site.put(GREEN_2020_12, (tlc / "cdn" / GREEN_2020_12[1:]).read_bytes() + b" ")
    stale = run("status", "green", *postgres)
    assert "83,130 rows" in stale.stdout
    assert "stale" in stale.stdout
    assert "To be loaded again, by backfill: green 2020-12." in stale.stdout
    site.forget_requests()
    assert answer("status", "--offline", *postgres)["loads"][0]["freshness"] == "not compared"
    assert answer("status", "--start-month", "2021-01", *postgres) == {"loads": []}
    assert site.requests == []


def test_plan_says_what_backfill_then_does(environment: Path, site: TripSite) -> None:
    months = ("green", "--start-month", "2020-11", "--end-month", "2021-01", "--source", "mirror", "-t", "gcs")
    planned = answer("plan", *months)
    assert [month["actions"]["gcs"] for month in planned["months"]] == ["load", "load", "not_published"]
    assert [month["rows_expected"] for month in planned["months"]] == [88_605, 83_130, 76_518]
    assert planned["sentence"].startswith("2 of 3 months to load")

    site.put("/green/green_tripdata_2020-12.csv.gz", b"<html><title>Sorry</title></html>")
    failed = run("backfill", *months)
    assert failed.exit_code == 1
    told = " ".join(failed.stdout.split())
    assert "green 2020-11 88,605 loaded" in told
    assert "1 loaded, 1 not published, 1 failed" in told
    assert "1 of 3 months failed: green 2020-12" in failed.stderr
    assert "Traceback" not in failed.stderr

    assert [month["actions"]["gcs"] for month in answer("plan", *months)["months"]] == [
        "unchanged",
        "load",
        "not_published",
    ]
    site.remove("/green/green_tripdata_2020-11.csv.gz")


def test_what_is_not_published_has_its_own_exit_code(environment: Path) -> None:
    result = run("load", "green", "2023-11", "-t", "postgres")
    assert result.exit_code == 3
    assert "green 2023-11 is not published yet" in result.stderr
    in_lake = run("load", "green", "2023-12", "-t", "bigquery")
    assert in_lake.exit_code == 3
    assert "load it there first, with --target gcs" in in_lake.stderr
    assert run("preview", "green", "2023-11").exit_code == 3
    beyond = answer("backfill", "green", "--start-month", "2024-01", "--end-month", "2024-02", "-t", "gcs", code=3)
    assert [month["legs"][0]["status"] for month in beyond["months"]] == ["not_published", "not_published"]


def test_preview_keeps_the_file_for_the_load(environment: Path, site: TripSite) -> None:
    assert run("preview", "green", "2023-12", "--offline").exit_code == 1
    seen = answer("preview", "green", "2023-12")
    assert (seen["rows_in_file"], seen["flagged_by_rule"]["zero_distance"]) == (64_215, 3_274)
    site.forget_requests()
    assert answer("preview", "green", "2023-12", "--offline")["rows_read"] == 64_215
    assert site.requests == []
    assert answer("load", "green", "2023-12", "-t", "gcs")["legs"][0]["report"]["bytes_read"] == 0


def test_sync_loads_what_is_new_and_reconcile_tells_what_differs(environment: Path, database) -> None:
    synced = answer("sync", "green", "--start-month", "2023-12", "-t", "postgres")
    assert {"target": "postgres", "status": "loaded"}.items() <= synced["months"][0]["legs"][0].items()
    assert synced["not_out_yet"] == {"green": "2024-01"}
    same = run("reconcile", "green")
    assert same.exit_code == 0, same.output
    assert "2023-12 is the same in postgres." in same.stdout

    connection = database.connect()
    with connection, connection.cursor() as cursor:
        cursor.execute("delete from tlc.green_trips where trip_distance > 500")
    connection.close()
    differs = run("reconcile", "green", "-t", "postgres")
    assert differs.exit_code == 4
    assert "differs" in differs.stdout
    assert "green: 1 of 1 months differs: 2023-12" in differs.stderr
    assert answer("reconcile", "green", code=4)["months"][0]["differences"][0]["kind"] == "differs"


def test_a_shell_gets_the_answer_on_stdout_and_one_sentence_on_stderr(environment: Path, site: TripSite) -> None:
    api = {"PREFECT_API_URL": str(PREFECT_API_URL.value())}
    loaded = shell("load", "green", "2023-12", "-t", "gcs", "--json", **api)
    assert loaded.returncode == 0, loaded.stderr
    assert json.loads(loaded.stdout)["legs"][0]["rows_loaded"] == 64_215
    assert loaded.stderr == ""

    site.put(GREEN_2020_12, b"<html><title>Sorry</title></html>")
    failed = shell("load", "green", "2020-12", "-t", "gcs", "--verbose", **api)
    assert failed.returncode == 1
    assert "failed" in failed.stdout
    assert "an HTML page" in failed.stderr.splitlines()[-1]
    assert "INFO" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize(
    "command", [("plan", "green", "--start-month", "2023-12", "--end-month", "2023-12"), ("status",)]
)
def test_looking_starts_no_server(environment: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    home = tmp_path / "prefect"
    seen = shell(*command, "-t", "postgres", "--json", PREFECT_API_URL="", PREFECT_HOME=str(home))
    assert seen.returncode == 0, seen.stderr
    assert json.loads(seen.stdout)
    assert seen.stderr == ""
    assert not (home / "prefect.db").exists()


def test_an_unreachable_prefect_server_is_named(environment: Path) -> None:
    failed = shell("status", "-t", "gcs", PREFECT_API_URL="http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES="0")
    assert failed.returncode == 1
    assert len(failed.stderr.splitlines()) == 1
    assert "PREFECT_API_URL" in failed.stderr
    assert TLC_SOURCE not in failed.stdout


def test_report_says_where_the_page_is(marts: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: bool(opened.append(url)))  # False: there is no browser
    copy = tmp_path / "copy.html"
    told = run("report", "--start-month", "2024-01", "--output", str(copy), "--open")
    assert (told.exit_code, told.stdout) == (0, f"{copy}\n")
    assert opened == [copy.as_uri()]
    assert "No browser was found: open the file yourself." in told.stderr
    written = answer("report", "--start-month", "2024-01")
    assert written["months"] == ["2024-01", "2024-02", "2024-03"]
    assert len(written["charts"]) == 10
    assert Path(written["page"]).read_text(encoding="utf-8").count("<figure") == 10
    missing = run("report", "-t", "bigquery")
    assert missing.exit_code == 1
    assert missing.stderr.strip().endswith("run build_models for it first.")
    assert run("report", "--start-month", "2030-01").exit_code == 2
