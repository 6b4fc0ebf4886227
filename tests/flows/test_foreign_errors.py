"""Whatever a layer raises, a flow ends with one sentence of this project's that names dataset and month."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows import api_to_gcs, api_to_postgres, gcs_to_bigquery, green_taxi_etl, load_month
from flows.tasks.lake import find_in_lake, load_into_lake
from flows.tasks.postgres import load_into_postgres
from flows.tasks.source import download_month, find_month
from flows.tasks.warehouse import load_into_warehouse
from flows.tlc.errors import MonthsFailed, TripLoadError

pytestmark = pytest.mark.timeout(180)

MONTH: dict[str, Any] = {"dataset": "green", "month": "2020-12"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries as many as ever, without the waits between them."""
    for task in (find_month, download_month, load_into_postgres, find_in_lake, load_into_lake, load_into_warehouse):
        monkeypatch.setattr(task, "retry_delay_seconds", 0)
        monkeypatch.setattr(task, "retry_jitter_factor", None)


def refuse(*_arguments: object, **_options: object) -> None:
    raise pa.ArrowNotImplementedError("no kernel\nfor this")


def lake_of(environment: Path) -> Path:
    return environment.parent / "local" / "lake"


def run(database, statement: str) -> None:
    connection = database.connect()
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def arrow(environment: Path, database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", refuse)


def cache_is_a_file(environment: Path, database, monkeypatch: pytest.MonkeyPatch) -> None:
    environment.write_text("no folder")


def setting_is_no_number(environment: Path, database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLC_CACHE_GIB", "much")


def source_is_no_url(environment: Path, database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLC_SOURCE_URL", "http://[::1")


def ledger_is_another_table(environment: Path, database, monkeypatch: pytest.MonkeyPatch) -> None:
    run(database, "create schema tlc; create view tlc.loads as select 1 as one")


def key_file_is_no_key(environment: Path, database, monkeypatch: pytest.MonkeyPatch) -> None:
    key = environment.parent / "key.json"
    key.write_text(json.dumps({"type": "service_account", "project_id": "p"}))
    monkeypatch.setenv("TLC_GCP_SERVICE_ACCOUNT_FILE", str(key))
    monkeypatch.setenv("TLC_LAKE_URL", "gs://a-bucket")


def manifest_is_broken(environment: Path, database, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = lake_of(environment) / "manifests" / "green" / "2020-12.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"report": {"dataset": "green"')


def lake_is_a_file(environment: Path, database, monkeypatch: pytest.MonkeyPatch) -> None:
    lake_of(environment).parent.mkdir(parents=True, exist_ok=True)
    lake_of(environment).write_text("no folder")


def warehouse_is_no_database(environment: Path, database, monkeypatch: pytest.MonkeyPatch) -> None:
    api_to_gcs(**MONTH)
    file = environment.parent / "warehouse.duckdb"
    file.write_bytes(b"no database" * 10_000)
    monkeypatch.setenv("TLC_WAREHOUSE_URL", f"duckdb:///{file}")


def warehouse_has_another_ledger(environment: Path, database, monkeypatch: pytest.MonkeyPatch) -> None:
    import duckdb  # noqa: PLC0415

    api_to_gcs(**MONTH)
    file = environment.parent / "warehouse.duckdb"
    with duckdb.connect(file) as connection:
        connection.execute("create schema tlc; create table tlc.loads (one integer)")
    monkeypatch.setenv("TLC_WAREHOUSE_URL", f"duckdb:///{file}")


FAULTS = [
    (api_to_postgres, arrow),
    (api_to_gcs, arrow),
    (api_to_postgres, cache_is_a_file),
    (api_to_postgres, setting_is_no_number),
    (api_to_postgres, source_is_no_url),
    (api_to_postgres, ledger_is_another_table),
    (api_to_gcs, key_file_is_no_key),
    (api_to_gcs, manifest_is_broken),
    (gcs_to_bigquery, manifest_is_broken),
    (api_to_gcs, lake_is_a_file),
    (gcs_to_bigquery, warehouse_is_no_database),
    (gcs_to_bigquery, warehouse_has_another_ledger),
]


@pytest.mark.parametrize(("flow", "spoil"), FAULTS, ids=[f"{flow.name}-{spoil.__name__}" for flow, spoil in FAULTS])
def test_flow_ends_with_a_sentence_about_its_month(
    environment: Path, database, monkeypatch: pytest.MonkeyPatch, flow: Any, spoil: Callable
) -> None:
    spoil(environment, database, monkeypatch)
    with pytest.raises(TripLoadError, match=r"^green 2020-12: [^\n]+\.$") as caught:
        flow(**MONTH)
    assert (caught.value.dataset, caught.value.month) == ("green", "2020-12")


def test_other_legs_go_on_after_a_foreign_error(environment: Path, database) -> None:
    run(database, "create schema tlc; create view tlc.loads as select 1 as one")
    with pytest.raises(MonthsFailed, match=r"^green 2020-12: → postgres: ") as caught:
        load_month(**MONTH)
    assert caught.value.report.statuses == {"postgres": "failed", "gcs": "loaded", "bigquery": "loaded"}


def test_homework_ends_with_a_sentence_about_its_months(environment: Path, database, monkeypatch) -> None:
    import pyarrow.csv as pa_csv  # noqa: PLC0415

    monkeypatch.setattr(pa_csv, "read_csv", refuse)
    with pytest.raises(TripLoadError, match=r"^green 2020-1[0-2](..2020-12)?: [^\n]+\.$"):
        green_taxi_etl(months=["2020-11", "2020-12"])
