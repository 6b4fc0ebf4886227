"""API → Postgres while the source or the database fails: what the table holds, and what the user is told."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from deployments.tlc_site.faults import Answer, Cut, Stall, Throttle
from flows import api_to_postgres
from flows.extract.download.retry import RetryPolicy
from flows.tasks.postgres import find_in_postgres, load_into_postgres
from flows.tasks.source import download_month, find_month
from flows.tlc.errors import NotTripFile, SourceBlocked, SourceUnavailable, TargetUnavailable

pytestmark = pytest.mark.timeout(120)

MONTH = {"dataset": "green", "month": "2020-12"}
PATH = "/trip-data/green_tripdata_2020-12.parquet"
ROWS = 83_130
COUNT = "select count(*) from tlc.green_trips"
TASKS = (find_month, find_in_postgres, download_month, load_into_postgres)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries as many as ever, without the waits between them."""
    for task in TASKS:
        monkeypatch.setattr(task, "retry_delay_seconds", 0)
        monkeypatch.setattr(task, "retry_jitter_factor", None)
    monkeypatch.setattr(RetryPolicy, "wait_after", lambda *_: 0.0)


@pytest.mark.parametrize(
    "faults",
    [
        [Cut(0), Cut(1_000), Cut(700_000)],
        [Answer(503), Answer(429, headers={"Retry-After": "0"}), Answer(500)],
        [(Stall(1_000, 0.5), Throttle(5_000_000))],
    ],
    ids=["cut", "busy", "slow"],
)
def test_source_that_recovers_costs_no_row_and_doubles_none(environment: Path, database, site, faults) -> None:
    site.fail(PATH, *faults)
    report = api_to_postgres(**MONTH)
    assert (report.status, report.rows_loaded) == ("loaded", ROWS)
    assert database.value(COUNT) == ROWS


def test_blocked_client_is_told_so_and_what_to_do(environment: Path, database, site) -> None:
    for path in (PATH, "/misc/taxi_zone_lookup.csv"):
        site.fail(path, Answer(403), method=None, times=None)
    with pytest.raises(SourceBlocked, match=r"^green 2020-12: ") as caught:
        api_to_postgres(**MONTH)
    assert (caught.value.dataset, caught.value.month) == ("green", "2020-12")
    assert PATH in str(caught.value.url)
    assert database.value("select to_regclass('tlc.green_trips')") is None


@pytest.mark.parametrize(
    "name", ["html_page_named_green_tripdata_2020-01.csv.gz", "git_lfs_pointer_fhv_tripdata_2019-01.csv.gz"]
)
@pytest.mark.parametrize("source", ["tlc", "mirror"])
def test_page_or_pointer_instead_of_the_file_leaves_the_month(environment, database, site, tlc, name, source) -> None:
    api_to_postgres(**MONTH)
    content = (tlc / "bad" / name).read_bytes()
    site.put(PATH if source == "tlc" else "/green/green_tripdata_2020-12.csv.gz", content)
    with pytest.raises(NotTripFile, match=r"^green 2020-12: ") as caught:
        api_to_postgres(**MONTH, source=source)
    assert site.url in str(caught.value.url)
    assert database.value(COUNT) == ROWS
    assert database.value("select count(*) from tlc.loads") == 1


def test_source_that_never_recovers_leaves_the_month(environment: Path, database, site, tlc) -> None:
    api_to_postgres(**MONTH)
    site.put(PATH, (tlc / "cdn/trip-data/green_tripdata_2023-12.parquet").read_bytes())
    site.fail(PATH, Answer(503), method=None, times=None)
    with pytest.raises(SourceUnavailable, match=r"^green 2020-12: "):
        api_to_postgres(**MONTH)
    assert database.value(COUNT) == ROWS


def test_republished_file_replaces_the_month(environment: Path, database, site, tlc) -> None:
    api_to_postgres(**MONTH)
    site.put(PATH, (tlc / "cdn/trip-data/green_tripdata_2023-12.parquet").read_bytes())
    report = api_to_postgres(**MONTH)
    assert (report.status, report.rows_loaded) == ("loaded", 64_215)
    assert report.flagged_by_rule["pickup_outside_month"] > 64_000
    assert database.value(COUNT) == 64_215


@pytest.mark.parametrize("change", [{"port": 1, "host": "127.0.0.1"}, {"database": "not_there"}], ids=["down", "no db"])
def test_postgres_out_of_reach_is_said_without_the_password(
    environment: Path, database, monkeypatch, caplog, change
) -> None:
    url = make_url(database.url).set(password="hunter2-secret", **change)
    if "port" in change:
        url = url.set(query={})
    monkeypatch.setenv("TLC_POSTGRES_URL", url.render_as_string(hide_password=False))
    with caplog.at_level(logging.DEBUG), pytest.raises(TargetUnavailable, match=r"^green 2020-12: ") as caught:
        api_to_postgres(**MONTH)
    assert "tlc-postgres" in str(caught.value)
    assert "hunter2" not in str(caught.value) + repr(caught.value) + caplog.text


def test_load_waits_for_a_standby_to_take_over(environment: Path, database, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a failover the new server may take connections before it takes writes."""
    name = make_url(database.url).database
    is_transient, tries = load_into_postgres.retry_condition_fn, []

    def take_over(*about: Any) -> bool:
        tries.append(about[2].result(raise_on_failure=False))
        database.value(
            f"set transaction read write; alter database {name} reset default_transaction_read_only; select 1"
        )
        return is_transient(*about)

    database.value(f"alter database {name} set default_transaction_read_only = on; select 1")
    monkeypatch.setattr(load_into_postgres, "retry_condition_fn", take_over)
    assert api_to_postgres(**MONTH).status == "loaded"
    assert [str(error).partition("(")[0] for error in tries] == ["green 2020-12: Postgres takes no writes "]
    assert database.value(COUNT) == ROWS
