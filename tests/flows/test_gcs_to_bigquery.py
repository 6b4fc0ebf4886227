"""Lake → warehouse as flows: the embedded pair (a folder and a DuckDB file), and Google's clients with their blocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from prefect.client.orchestration import get_client
from prefect_gcp import GcpCredentials
from typer.testing import CliRunner

from blocks.names import WAREHOUSE
from blocks.register import BUILDERS, load_block, register_blocks
from blocks.warehouse import TripWarehouse
from flows import api_to_gcs, gcs_to_bigquery
from flows.cli.app import app
from flows.load.lake.manifest import Manifest
from flows.tlc.errors import ParameterError
from flows.tlc.locations import manifest_object
from tests.integration.load.warehouse.lake_months import Put, WrittenLake, folder_put
from tests.servers.bigquery import BigQueryStandIn
from tests.servers.gcs import GcsWire
from tests.servers.google_token import TokenServer, service_account_file


class PublishedLake(WrittenLake):
    """A lake whose manifests are objects too, as the project's lake reads them."""

    def write(self, dataset: str, month: str, file: Path, **options: object) -> Manifest:  # type: ignore[override]
        manifest = super().write(dataset, month, file, **options)  # type: ignore[arg-type]
        self.put(f"manifests/{dataset}/{month}.json", manifest.model_dump_json().encode())
        return manifest


def real(tlc: Path, month: str = "2020-12") -> Path:
    return tlc / f"cdn/trip-data/green_tripdata_{month}.parquet"


@pytest.fixture
def embedded(prefect: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PublishedLake:
    monkeypatch.setenv("TLC_LAKE_URL", f"file://{tmp_path}/lake")
    monkeypatch.setenv("TLC_WAREHOUSE_URL", f"duckdb:///{tmp_path}/warehouse.duckdb")
    return PublishedLake(f"file://{tmp_path}/lake", folder_put(tmp_path / "lake"))


def gcs_put(gcs: GcsWire) -> Put:
    bucket = gcs.client().bucket("lake")

    def put(name: str, content: bytes) -> int:
        blob = bucket.blob(name)
        blob.upload_from_string(content)
        return int(blob.generation)

    return put


@pytest.fixture
def cloud(prefect: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[PublishedLake, BigQueryStandIn, GcsWire]]:
    """Both stand-ins of Google's, as emulators without credentials."""
    with GcsWire("lake") as gcs, BigQueryStandIn(gcs.read_object, list_objects=gcs.list_objects) as bigquery:
        for name, value in {
            "STORAGE_EMULATOR_HOST": gcs.url,
            "BIGQUERY_EMULATOR_HOST": bigquery.url,
            "TLC_GCP_PROJECT": "test-project",
            "TLC_LAKE_URL": "gs://lake",
            "TLC_WAREHOUSE_URL": "bigquery://test-project/tlc?location=EU",
        }.items():
            monkeypatch.setenv(name, value)
        yield PublishedLake("gs://lake", gcs_put(gcs)), bigquery, gcs


def test_embedded_month_is_every_row_of_the_real_file(embedded: PublishedLake, tlc: Path, tmp_path: Path) -> None:
    embedded.write("green", "2020-12", real(tlc))
    report = gcs_to_bigquery(dataset="green", month="2020-12")
    assert (report.status, report.target, report.rows_loaded, report.bytes_read) == ("loaded", "bigquery", 83_130, 0)
    file = pq.read_table(real(tlc))
    with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
        (found,) = connection.sql("select count(*), round(sum(total_amount), 2) from tlc.green_trips").fetchall()
        (entry,) = connection.sql("select rows_loaded, flow_run_id from tlc.loads").fetchall()
    expected = sum(value for value in file["total_amount"].to_pylist() if value is not None)
    assert found == (file.num_rows, pytest.approx(expected))
    assert entry[0] == 83_130
    assert entry[1] is not None
    assert gcs_to_bigquery(dataset="green", month="2020-12").status == "unchanged"
    assert gcs_to_bigquery(dataset="green", month="2020-12", force=True).status == "loaded"


def test_month_that_the_lake_lacks_is_not_published(embedded: PublishedLake, caplog: pytest.LogCaptureFixture) -> None:
    report = gcs_to_bigquery(dataset="green", month="2020-12")
    assert (report.status, report.rows_read) == ("not_published", 0)
    assert report.source_url == f"{embedded.url}/{manifest_object('green', '2020-12')}"  # type: ignore[arg-type]
    assert "Run api_to_gcs for it first" in caplog.text


def test_cloud_month_is_one_job_and_no_byte_of_trips(
    cloud: tuple[PublishedLake, BigQueryStandIn, GcsWire], tlc: Path
) -> None:
    lake, bigquery, gcs = cloud
    lake.write("green", "2020-12", real(tlc), layouts=["unpartitioned", "partitioned"])
    before = len(gcs.requests)
    report = gcs_to_bigquery(dataset="green", month="2020-12")
    assert (report.status, report.rows_loaded) == ("loaded", 83_130)
    assert bigquery.rows("tlc.green_trips", "202012").num_rows == 83_130
    (job,) = [job for job in bigquery.jobs if "load" in job["configuration"]]
    assert job["configuration"]["labels"]["run_id"] == bigquery.rows("tlc.loads")["flow_run_id"][0].as_py()
    read = [call.path.rpartition("/")[2] for call in gcs.requests[before:] if call.operation == "media"]
    assert all("manifest" in name for name in read)
    assert gcs_to_bigquery(dataset="green", month="2020-12").status == "unchanged"
    assert len([job for job in bigquery.jobs if "load" in job["configuration"]]) == 1
    assert bigquery.unbounded_queries == []


def test_from_the_source_through_the_lake_to_the_warehouse(
    cloud: tuple[PublishedLake, BigQueryStandIn, GcsWire], environment: Path
) -> None:
    _, bigquery, _ = cloud
    lake = api_to_gcs(dataset="green", month="2020-12", layout="both")
    report = gcs_to_bigquery(dataset="green", month="2020-12")
    counts = ("source_url", "source_etag", "rows_read", "rows_loaded", "rejected_by_rule", "flagged_by_rule")
    assert [getattr(report, name) for name in counts] == [getattr(lake, name) for name in counts]
    assert bigquery.rows("tlc.green_trips", "202012").num_rows == lake.rows_loaded
    api_to_gcs(dataset="green", month="2020-12", layout="both", drop_rules=["zero_distance"])
    dropped = gcs_to_bigquery(dataset="green", month="2020-12")
    assert (dropped.status, dropped.rows_rejected > 0) == ("loaded", True)
    assert bigquery.rows("tlc.green_trips").num_rows == dropped.rows_loaded < lake.rows_loaded


def test_from_the_source_through_a_folder_to_a_file(embedded: PublishedLake, environment: Path, tmp_path: Path) -> None:
    api_to_gcs(dataset="green", month="2020-12", layout="partitioned")
    assert gcs_to_bigquery(dataset="green", month="2020-12").status == "loaded"
    assert gcs_to_bigquery(dataset="green", month="2020-12").status == "unchanged"
    with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
        assert connection.sql("select count(*) from tlc.green_trips").fetchall() == [(83_130,)]


def test_a_bucket_fills_a_duckdb_file(
    cloud: tuple[PublishedLake, BigQueryStandIn, GcsWire], tlc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud[0].write("green", "2020-12", real(tlc))
    monkeypatch.setenv("TLC_WAREHOUSE_URL", f"duckdb:///{tmp_path}/w.duckdb")
    assert gcs_to_bigquery(dataset="green", month="2020-12").status == "loaded"
    assert gcs_to_bigquery(dataset="green", month="2020-12").status == "unchanged"
    with duckdb.connect(tmp_path / "w.duckdb", read_only=True) as connection:
        counted = connection.execute("select count(*), count(distinct source_month) from tlc.green_trips").fetchone()
    assert counted == (83_130, 1)


def test_a_folder_is_not_loaded_into_bigquery(
    cloud: tuple[PublishedLake, BigQueryStandIn, GcsWire], tlc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bigquery = cloud[1]
    monkeypatch.setenv("TLC_LAKE_URL", f"file://{tmp_path}/lake")
    folder = PublishedLake(f"file://{tmp_path}/lake", folder_put(tmp_path / "lake"))
    folder.write("green", "2020-12", real(tlc))
    with pytest.raises(ParameterError, match=r"green 2020-12: BigQuery reads from Cloud Storage alone"):
        gcs_to_bigquery(dataset="green", month="2020-12")
    assert bigquery.jobs == []


def test_a_registered_key_is_used_and_shown_nowhere(tlc: Path, prefect: None, tmp_path: Path, monkeypatch) -> None:
    with TokenServer() as tokens:
        key = service_account_file(tmp_path / "key.json", f"{tokens.url}/token", "test-project")
        with GcsWire("lake", tokens=tokens.issued) as gcs, BigQueryStandIn(tokens=tokens.issued) as bigquery:
            addresses = {"BIGQUERY_EMULATOR_HOST": bigquery.url, "STORAGE_EMULATOR_HOST": gcs.url}
            for name, value in (addresses | tokens.environment).items():
                monkeypatch.setenv(name, value)
            monkeypatch.setenv("TLC_GCP_SERVICE_ACCOUNT_FILE", str(key))
            monkeypatch.setenv("TLC_GCP_PROJECT", "test-project")
            monkeypatch.setenv("TLC_WAREHOUSE_URL", "bigquery://test-project/lab?maximum_bytes_billed=20971520")
            for _ in range(2):
                load_block(GcpCredentials, "tlc-gcp").save("tlc-gcp", overwrite=True)
                load_block(TripWarehouse, WAREHOUSE).save(WAREHOUSE, overwrite=True)
            key.unlink()  # it is in the block
            monkeypatch.delenv("TLC_GCP_SERVICE_ACCOUNT_FILE")
            BUILDERS[WAREHOUSE]().save(WAREHOUSE, overwrite=True)  # and stays, when another variable is registered
            block = TripWarehouse.load(WAREHOUSE)
            try:
                assert (block.project, block.dataset, block.maximum_bytes_billed) == (
                    "test-project",
                    "lab",
                    20 * 1024**2,
                )
                assert list(block.bigquery_client().list_datasets()) == []
                assert tokens.assertions
                assert "PRIVATE KEY" not in repr(block)
            finally:
                TripWarehouse.delete(WAREHOUSE)
                GcpCredentials.delete("tlc-gcp")


def test_blocks_are_registered_from_the_environment(
    embedded: PublishedLake, database, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("TLC_POSTGRES_URL", database.url)
    names = register_blocks()
    try:
        block = TripWarehouse.load(WAREHOUSE)
        assert WAREHOUSE in names
        assert (block.duckdb_file, block.project) == (tmp_path / "warehouse.duckdb", None)
    finally:
        with get_client(sync_client=True) as client:
            for saved in client.read_block_documents(limit=50, offset=0):
                if saved.name in names:
                    client.delete_block_document(saved.id)


def test_external_tables_by_command(embedded: PublishedLake, tlc: Path, tmp_path: Path) -> None:
    nothing = CliRunner().invoke(app, ["external-tables", "green"])
    assert nothing.exit_code == 1
    assert (nothing.stdout, len(nothing.stderr.strip().splitlines())) == ("", 1)
    assert "the lake has no green trips by day" in nothing.stderr
    embedded.write("green", "2020-12", real(tlc), layouts=["partitioned"])
    made = CliRunner().invoke(app, ["external-tables", "green"])
    assert (made.exit_code, made.stdout) == (0, "tlc.green_trips_lake\n"), made.stderr
    with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
        sql = "select count(*), count(distinct pickup_date) > 30 from tlc.green_trips_lake"
        assert connection.sql(sql).fetchall() == [(83_130, True)]
