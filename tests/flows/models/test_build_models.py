"""The flow from outside: what a backfill asks of it, the assets that it tells Prefect of, what comes meanwhile."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import pytest
from prefect.client.orchestration import get_client

from flows import backfill, build_models
from flows.tasks.models import sources_ensured
from flows.tlc.dataset import Dataset
from flows.tlc.errors import ModelsNotInstalled, ParameterError
from flows.ui.events import asset_of
from tests.flows.models.conftest import Put, Targets, load
from tests.flows.models.test_processes import until

MADE, READ = "prefect.asset.materialization.succeeded", "prefect.asset.referenced"


def is_told(event: str, asset: str) -> bool:
    """Whether Prefect knows of such an event of the asset."""
    wanted = {"filter": {"event": {"name": [event]}, "resource": {"id": [asset]}}, "limit": 1}
    with get_client(sync_client=True) as client:
        return bool(client.request("POST", "/events/filter", json=wanted).json()["events"])


@pytest.mark.timeout(900)
def test_a_backfill_builds_once_at_its_end_and_assets_are_one_graph(targets: Targets, publish: Put) -> None:
    for month in ("2023-10", "2023-11"):
        publish("green", month)
    given = {"dataset": "green", "start_month": "2023-10", "end_month": "2023-11", "targets": ["postgres"]}
    report = backfill(**given, models=True)
    assert [(outcome.target, outcome.status) for outcome in report.models] == [("postgres", "built")]
    # What a load makes is, by the same name, what a model is made of.
    trips = asset_of(Dataset.green, "postgres").key
    for event, asset in ((MADE, trips), (READ, trips), (MADE, "postgres://tlc_marts/daily_trips")):
        until(partial(is_told, event, asset))
    assert [outcome.status for outcome in backfill(**given, models=True).models] == ["unchanged"]


def test_without_dbt_a_backfill_ends_before_it_loads(
    targets: Targets, publish: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise ModelsNotInstalled("dbt is not installed: run 'make models'.")

    monkeypatch.setattr("flows.tasks.models.models_python", missing)
    publish("green", "2023-10")
    with pytest.raises(ModelsNotInstalled, match="make models"):
        backfill(dataset="green", start_month="2023-10", end_month="2023-10", targets=["postgres"], models=True)
    assert targets.query("postgres", "select count(*) from pg_tables where schemaname = 'tlc'") == [(0,)]


def test_nothing_loaded_is_nothing_to_build(targets: Targets) -> None:
    for target in ("postgres", "bigquery"):
        report = build_models(target=target)
        assert (report.status, report.months, report.nodes) == ("unchanged", [], [])


def test_an_impossible_range_is_refused(targets: Targets) -> None:
    with pytest.raises(ParameterError, match="start_month 2023-11 is after end_month 2023-10"):
        build_models(start_month="2023-11", end_month="2023-10")


def test_a_model_that_there_is_not_is_refused(targets: Targets) -> None:
    with pytest.raises(ParameterError, match=r"there is no model dialy_trips: choose from airport_trips, .*marts"):
        build_models(select="tips +dialy_trips")


@pytest.mark.timeout(900)
def test_a_mart_whose_tests_did_not_run_is_not_taken_for_built(targets: Targets, publish: Put) -> None:
    publish("green", "2023-10")
    load("green", "2023-10", "postgres")
    build_models(target="postgres", select="quarterly_revenue")  # which is made of another mart
    recorded = targets.query("postgres", "select distinct model from tlc_marts.model_builds")
    assert recorded == [("quarterly_revenue",)]
    assert build_models(target="postgres", select="monthly_zone_revenue").months == ["2023-10"]


@pytest.mark.timeout(900)
def test_a_load_that_comes_while_models_are_built_is_not_lost(
    targets: Targets, publish: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the ledger and dbt's run: the marts may have either load, and the month is stale."""
    publish("green", "2023-10")
    load("green", "2023-10", "postgres")
    publish("green", "2023-10", rows=1_000, seed=1)
    module = sys.modules["flows.build_models"]

    def load_meanwhile(target: Any) -> str:
        load("green", "2023-10", "postgres")
        return sources_ensured(target)

    monkeypatch.setattr(module, "ensure_sources", load_meanwhile)
    assert build_models(target="postgres", select="daily_trips").status == "built"

    monkeypatch.setattr(module, "ensure_sources", sources_ensured)
    assert build_models(target="postgres", select="daily_trips").months == ["2023-10"]
    assert build_models(target="postgres", select="daily_trips").status == "unchanged"
    counted = targets.query("postgres", "select count(*) from tlc.green_trips")
    assert targets.query("postgres", "select sum(trips) from tlc_marts.daily_trips") == counted
