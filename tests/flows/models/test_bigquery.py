"""The models in BigQuery: dbt with its own adapter, against the strict stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import duckdb
import pytest

from flows import build_models
from flows.tasks.connect import open_bigquery
from flows.tlc.errors import ModelsFailed
from tests.flows.models.conftest import Put, Rows, by_keys, load
from tests.flows.models.test_answers import assert_answers
from tests.flows.models.test_months import TABLES
from tests.servers.bigquery import BigQueryStandIn
from tests.servers.gcs_wire import GcsWire


@pytest.fixture
def bigquery(bigquery_adapter: None, environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BigQueryStandIn]:
    """A lake in a bucket, and BigQuery with an empty dataset in the EU; as emulators, without credentials."""
    with GcsWire("lake") as gcs, BigQueryStandIn(gcs.read_object, list_objects=gcs.list_objects) as running:
        running.create_dataset("tlc", location="EU")
        for name, value in {
            "STORAGE_EMULATOR_HOST": gcs.url,
            "BIGQUERY_EMULATOR_HOST": running.url,
            "TLC_GCP_PROJECT": "test-project",
            "TLC_LAKE_URL": "gs://lake",
            "TLC_WAREHOUSE_URL": "bigquery://test-project/tlc",  # without its location
        }.items():
            monkeypatch.setenv(name, value)
        yield running


def rows_of(mart: str) -> Rows:
    """The mart's rows, as BigQuery's own client gives them."""
    found = open_bigquery().client.query(f"select * from tlc_marts.{mart}").result()
    return sorted((tuple(row.values()) for row in found), key=by_keys)


def plain(bigquery: BigQueryStandIn, sql: str) -> Rows:
    """A query of the trips' tables by DuckDB."""
    with duckdb.connect() as connection:
        connection.execute("create schema tlc")
        for index, (_, name) in enumerate(key for key in bigquery.tables if key[0] == "tlc"):
            connection.register(f"stored_{index}", bigquery.rows(f"tlc.{name}"))
            connection.execute(f"create view tlc.{name} as select * from stored_{index}")
        return connection.execute(sql).fetchall()


def partitions(bigquery: BigQueryStandIn, partition: str) -> dict[str, Rows]:
    """The partition's rows in all marts."""
    parts = {mart: bigquery.rows(f"tlc_marts.{mart}", partition) for mart in TABLES}
    return {mart: sorted((tuple(row.values()) for row in part.to_pylist()), key=str) for mart, part in parts.items()}


def trips_in(bigquery: BigQueryStandIn, mart: str, partition: str) -> int:
    return sum(bigquery.rows(f"tlc_marts.{mart}", partition)["trips"].to_pylist())


@pytest.mark.timeout(900)
def test_bigquery_answers_as_plain_sql_does_and_a_changed_month_replaces_its_partition(
    bigquery: BigQueryStandIn, publish: Put
) -> None:
    for dataset in ("yellow", "green", "fhv", "fhvhv"):
        publish(dataset, "2023-12")
        load(dataset, "2023-12", "bigquery")
    publish("yellow", "2009-01", rows=1_000)  # without zones
    load("yellow", "2009-01", "bigquery")

    report = build_models(target="bigquery")
    assert (report.status, report.months, report.failures) == ("built", ["2009-01", "2023-12"], [])
    assert {name: dataset["location"] for name, dataset in bigquery.datasets.items()} == dict.fromkeys(
        ("tlc", "tlc_marts", "tlc_staging"), "EU"
    )
    assert bigquery.partitions("tlc_marts.daily_trips") == ["200901", "202312"]
    assert_answers(rows_of, partial(plain, bigquery))
    assert build_models(target="bigquery").status == "unchanged"

    before, tips = partitions(bigquery, "202312"), trips_in(bigquery, "tips", "200901")
    publish("yellow", "2009-01", rows=1_500, seed=1)
    load("yellow", "2009-01", "bigquery")
    replaces_tips = "merge into `test-project`.`tlc_marts`.`tips`"
    bigquery.fail_job("invalidQuery", "Division by zero", sql=replaces_tips, times=2)  # it is tried once more
    with pytest.raises(ModelsFailed, match=r"model tips failed: .*Division by zero"):
        build_models(target="bigquery", select="daily_trips tips")
    assert trips_in(bigquery, "daily_trips", "200901") > tips == trips_in(bigquery, "tips", "200901")

    assert build_models(target="bigquery").months == ["2009-01"]
    assert partitions(bigquery, "202312") == before
    ((rows,),) = plain(bigquery, "select count(*) from tlc.yellow_trips where source_month = '2009-01-01'")
    assert {trips_in(bigquery, mart, "200901") for mart in ("daily_trips", "tips", "service_share")} == {rows}
    assert build_models(target="bigquery").status == "unchanged"
