"""What loads leave in the UI: a picture of trips a day, the same for every target; none where nothing is new."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from prefect.client.orchestration import get_client

from deployments.tlc_site.site import TripSite
from flows import (
    api_to_gcs,
    api_to_postgres,
    backfill,
    gcs_to_bigquery,
    green_taxi_etl,
    load_month,
    reconcile,
)
from flows.tlc.locations import ZONES_PATH
from flows.tlc.month import Month
from flows.ui.progress import watched_by

KEY = "green-2020-12-days"
WORDS = (
    "83,127 trips by pickup date, 2,682 a day; most on Wed 2020-12-02 (3,511), fewest on Thu 2020-12-17 (899). "
    "Loaded but not shown: 3 with a pickup outside of these days."
)


def pictures(key: str) -> list[dict[str, Any]]:
    """Every picture of that key so far."""
    with get_client(sync_client=True) as client:
        chosen = {"artifacts": {"key": {"any_": [key]}, "type": {"any_": ["image"]}}}
        return client.request("POST", "/artifacts/filter", json=chosen).json()


def made_by(load: Any, key: str) -> list[dict[str, Any]]:
    before = {one["id"] for one in pictures(key)}
    load()
    return [one for one in pictures(key) if one["id"] not in before]


def picture_itself(artifact: dict[str, Any]) -> str:
    kind, _, text = artifact["data"].partition(",")
    assert kind == "data:image/svg+xml;base64"
    return b64decode(text).decode()


@pytest.mark.parametrize("layout", ["both", "unpartitioned"])
def test_every_target_has_the_same_picture_of_the_same_rows(environment: Path, layout: str) -> None:
    month = {"dataset": "green", "month": "2020-12"}
    loads = {
        "postgres": lambda: api_to_postgres(**month),
        "gcs": lambda: api_to_gcs(**month, layout=layout),
        "bigquery": lambda: gcs_to_bigquery(**month),
    }
    drawn = set()
    for target, load in loads.items():
        (artifact,) = made_by(load, KEY)
        assert artifact["description"] == f"green 2020-12: {WORDS}", target
        drawn.add(picture_itself(artifact))
        assert made_by(load, KEY) == [], target  # unchanged
    assert len(drawn) == 1
    assert "Green taxi trips a day, 2020-12" in drawn.pop()


def test_month_in_all_targets_leaves_one_picture_first_and_its_summary_last(environment: Path) -> None:
    outcome = load_month("green", "2020-12", return_state=True)
    run = outcome.state_details.flow_run_id
    with get_client(sync_client=True) as client:
        chosen = {"flow_runs": {"id": {"any_": [str(run)]}}}
        left = client.request("POST", "/artifacts/filter", json=chosen).json()
    keys = [artifact["key"] for artifact in sorted(left, key=lambda artifact: artifact["created"])]
    legs = [f"green-2020-12-{target}" for target in ("postgres", "gcs", "bigquery")]
    assert [key for key in keys if key] == [KEY, *legs, "green-2020-12"]  # progress has no key


def test_backfill_leaves_two_artifacts_a_month_and_asks_for_the_zones_once(
    environment: Path, year: list[Month], site: TripSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A month costs the server two requests beside its events; what is shown is complete when the run ends."""
    monkeypatch.setattr("flows.ui.report.PROGRESS_SECONDS", 3600.0)  # no load is long enough for a bar
    months = [str(month) for month in year[:3]]
    state = backfill(
        "green", start_month=months[0], end_month=months[-1], targets=["postgres"], max_parallel=1, return_state=True
    )
    with get_client(sync_client=True) as client:
        chosen = {"flow_runs": {"id": {"any_": [str(state.state_details.flow_run_id)]}}}
        left = client.request("POST", "/artifacts/filter", json=chosen).json()
    keys = [artifact["key"] for artifact in sorted(left, key=lambda artifact: artifact["created"])]
    of_months = [f"green-{month}-{what}" for month in months for what in ("days", "postgres")]
    assert keys == ["backfill-green-plan", *of_months, "backfill-green"]
    assert [request.method for request in site.requests if request.path == ZONES_PATH] == ["HEAD", "GET"]


def test_homework_has_one_of_all_its_months(environment: Path) -> None:
    (artifact,) = made_by(green_taxi_etl, "mage-green-taxi-days")
    assert "139,366 trips by pickup date" in artifact["description"]
    assert "2020-11" in picture_itself(artifact)


@pytest.fixture
def forgetful(prefect: str) -> Iterator[None]:
    """Prefect's server runs flows, and has nowhere to put an artifact."""
    with closing(psycopg2.connect(prefect)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("alter table artifact add constraint no_room check (false) not valid")
        yield
        cursor.execute("alter table artifact drop constraint no_room")


def test_months_are_loaded_though_nothing_can_be_shown(
    environment: Path, forgetful: None, database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("flows.ui.report.PROGRESS_SECONDS", 0.0)
    with watched_by(fail):
        outcome = load_month("green", "2020-12")
    assert outcome.statuses == {"postgres": "loaded", "gcs": "loaded", "bigquery": "loaded"}
    assert database.value("select count(*) from tlc.loads") == 1
    for sentence in ("its artifacts are not there", "its picture is not there", "progress bar stays as it is"):
        assert sentence in caplog.text
    months = {"start_month": "2020-12", "end_month": "2020-12"}
    assert backfill("green", **months).months[0].statuses == {
        "postgres": "unchanged",
        "gcs": "unchanged",
        "bigquery": "unchanged",
    }
    assert reconcile("green", **months).differing == []


def fail(_what: str, _fraction: float) -> None:
    """A terminal that is gone."""
    raise BrokenPipeError("nobody reads")
