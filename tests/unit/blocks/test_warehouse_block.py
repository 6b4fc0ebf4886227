"""From TLC_WAREHOUSE_URL to the block, and what the block refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials

from blocks.register import BUILDERS
from blocks.warehouse import TripWarehouse, warehouse_block


def test_a_bigquery_url_is_project_dataset_and_location() -> None:
    block = warehouse_block("bigquery://my-project/tlc_lab?location=europe-west1&maximum_bytes_billed=20971520")
    assert (block.project, block.dataset, block.location) == ("my-project", "tlc_lab", "europe-west1")
    assert (block.maximum_bytes_billed, block.duckdb_file) == (20_971_520, None)
    assert warehouse_block("bigquery://my-project/tlc").location is None


@pytest.mark.parametrize("url", ["duckdb:///home/me/trips.duckdb", "duckdb:////home/me/trips.duckdb"])
def test_a_duckdb_url_is_a_path(url: str) -> None:
    block = warehouse_block(url)
    assert (block.duckdb_file, block.project) == (Path("/home/me/trips.duckdb"), None)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("duckdb://trips.duckdb", r"write the file's whole path, as in duckdb:///home"),
        ("duckdb:///", r"write the file's whole path"),
        ("bigquery://my-project", r"Write bigquery://project/dataset\?location=EU or duckdb:///path"),
        ("bigquery://my-project/tlc?region=EU", "region is not known"),
        ("postgresql://host/db", "neither of the two forms"),
        ("bigquery://my-project/a-b", "pattern"),
        ("bigquery://my-project/tlc?maximum_bytes_billed=0", "greater than 0"),
    ],
)
def test_another_url_is_refused_with_the_right_form(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        warehouse_block(url)


def test_unset_means_a_duckdb_file_under_the_local_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TLC_WAREHOUSE_URL", raising=False)
    monkeypatch.setenv("TLC_LOCAL_DIR", str(tmp_path))
    block = BUILDERS["tlc-warehouse"]()
    assert isinstance(block, TripWarehouse)
    assert block.duckdb_file == tmp_path / "warehouse.duckdb"


def test_one_backend_at_a_time() -> None:
    for parts in ({}, {"project": "p", "duckdb_file": "/a"}):
        with pytest.raises(ValueError, match="give either a project, for BigQuery, or the path of a DuckDB file"):
            TripWarehouse(**parts)


def test_an_emulator_needs_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:9050")
    monkeypatch.setenv("TLC_WAREHOUSE_URL", "bigquery://my-project/tlc?location=EU")
    monkeypatch.delenv("TLC_GCP_SERVICE_ACCOUNT_FILE", raising=False)
    client = BUILDERS["tlc-warehouse"]().bigquery_client()  # type: ignore[attr-defined]
    assert isinstance(client._credentials, AnonymousCredentials)
    assert (client.project, client.location) == ("my-project", "EU")
    assert client._connection.API_BASE_URL == "http://127.0.0.1:9050"
