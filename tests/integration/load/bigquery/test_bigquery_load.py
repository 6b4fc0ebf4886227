"""Loads into BigQuery, at the wire: what Google's client sends for the project, and what it makes of every answer."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from google.cloud import bigquery

from flows.load.bigquery import ledger as bigquery_ledger
from flows.load.bigquery.jobs import JobTimeouts
from flows.load.lake.manifest import Manifest
from flows.tlc.dataset import Dataset
from flows.tlc.errors import ParameterError, TargetError, TargetMismatch, TargetUnavailable
from flows.tlc.schema import bigquery_fields, schema_of
from tests.integration.load.warehouse.lake_months import made_month
from tests.integration.load.warehouse.rigs import BigQueryRig, bigquery_rig
from tests.servers.bigquery import BigQueryStandIn

RUN = "0b61b0a8-3f63-4f7e-9c4c-0d3f2e6f3b11"


@pytest.fixture
def rig() -> Iterator[BigQueryRig]:
    with bigquery_rig() as rig:
        yield rig


@pytest.fixture
def server(rig: BigQueryRig) -> BigQueryStandIn:
    assert rig.server is not None
    return rig.server


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_month(tmp_path_factory.mktemp("months"), "green", "2020-10", 300)


@pytest.fixture
def month(rig: BigQueryRig, file: Path) -> Manifest:
    return rig.lake.write("green", "2020-10", file)


def load_jobs(server: BigQueryStandIn) -> list[dict[str, Any]]:
    return [job for job in server.jobs if "load" in job["configuration"]]


def job_ids(server: BigQueryStandIn) -> list[str]:
    return [job["jobReference"]["jobId"].removeprefix("tlc-load-tlc-green-") for job in load_jobs(server)]


def ledger_rows(server: BigQueryStandIn) -> int:
    return server.rows("tlc.loads").num_rows if ("tlc", "loads") in server.tables else 0


@contextmanager
def fail_load_job(
    server: BigQueryStandIn, message: str, *details: dict[str, str], reason: str = "invalid"
) -> Iterator[None]:
    """Let load jobs fail inside, and queries go on."""
    start = server._start

    def start_failing(job: Any) -> None:
        if "load" in job.resource["configuration"]:
            server.fail_job(reason, message, more=list(details))
        start(job)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "_start", start_failing)
        yield


def test_the_job_says_all_that_it_has_to(rig: BigQueryRig, server: BigQueryStandIn, month: Manifest) -> None:
    rig.load(month, flow_run_id=RUN)
    (sent,) = [call.json for call in server.calls("jobs.insert") if "load" in call.json["configuration"]]
    load = sent["configuration"]["load"]
    assert sent["jobReference"] == {
        "jobId": "tlc-load-tlc-green-202010-1",
        "projectId": "test-project",
        "location": "EU",
    }
    assert load["destinationTable"]["tableId"] == "green_trips$202010"
    assert load["sourceUris"] == ["gs://lake/trips/green/unpartitioned/green_tripdata_2020-10.parquet"]
    assert (load["sourceFormat"], load["writeDisposition"], load["createDisposition"]) == (
        "PARQUET",
        "WRITE_TRUNCATE",
        "CREATE_NEVER",
    )
    shown = [(field["name"], field["mode"], field["description"]) for field in load["schema"]["fields"]]
    declared = bigquery_fields(schema_of(Dataset.green))
    assert shown == [(field["name"], field["mode"], field["description"]) for field in declared]
    kinds = {field["name"]: field["type"] for field in load["schema"]["fields"]}
    assert (kinds["lpep_pickup_datetime"], kinds["vendor_id"], kinds["source_month"]) == ("DATETIME", "INTEGER", "DATE")
    labels = sent["configuration"]["labels"]
    assert labels.pop("manifest_key") == rig.load_of(month).manifest_key
    assert labels == {"dataset": "green", "month": "2020-10", "content_key": month.content_key, "run_id": RUN}


def test_tables_are_partitioned_clustered_and_described(
    rig: BigQueryRig, server: BigQueryStandIn, month: Manifest
) -> None:
    rig.load(month)
    trips, loads = server.tables["tlc", "green_trips"].resource, server.tables["tlc", "loads"].resource
    assert trips["timePartitioning"] == {"type": "MONTH", "field": "source_month"}
    assert trips["clustering"] == {"fields": ["pu_location_id", "lpep_pickup_datetime"]}
    assert all(field["description"] for field in [*trips["schema"]["fields"], *loads["schema"]["fields"]])
    assert server.datasets["tlc"]["location"] == "EU"
    (row,) = server.rows("tlc.loads").to_pylist()
    assert (row["dataset"], row["month"], row["target"], row["rows_loaded"]) == ("green", "2020-10", "bigquery", 300)
    assert row["rows_read"] == row["rows_loaded"] + row["rows_rejected"]
    assert row["started_at"] < row["loaded_at"]


def test_a_day_partitioned_lake_is_loaded_from_its_objects_and_nothing_else(
    rig: BigQueryRig, server: BigQueryStandIn, file: Path
) -> None:
    month = rig.lake.write("green", "2020-10", file, layouts=["partitioned"])
    rig.load(month)
    uris = load_jobs(server)[0]["configuration"]["load"]["sourceUris"]
    assert uris == [f"gs://lake/{item.name}" for item in month.objects]
    assert len(uris) > 20
    assert not any("*" in uri for uri in uris)


def test_again_sends_no_job_and_both_layouts_are_read_once(
    rig: BigQueryRig, server: BigQueryStandIn, file: Path
) -> None:
    month = rig.lake.write("green", "2020-10", file, layouts=["unpartitioned", "partitioned"])
    rig.load(month)
    before = len(server.requests)
    assert rig.load(month).status == "unchanged"
    asked = [(call.operation, call.method) for call in server.requests[before:]]
    assert len(load_jobs(server)) == 1
    assert len(asked) <= 6
    assert server.rows("tlc.green_trips").num_rows == 300


def test_no_trip_data_passes_through_the_client(rig: BigQueryRig, server: BigQueryStandIn, month: Manifest) -> None:
    rig.load(month)
    rig.load(month)
    assert server.calls("jobs.upload") == server.calls("tabledata.list") == server.calls("tabledata.insertAll") == []
    assert sum(call.body_length for call in server.requests) < 60_000


def test_every_query_of_the_project_is_bounded_and_labelled(
    rig: BigQueryRig, server: BigQueryStandIn, month: Manifest
) -> None:
    rig.load(month)
    assert rig.load(month).status == "unchanged"
    rig.warehouse.read_loads(Dataset.green)
    assert server.unbounded_queries == []
    queries = [job for job in server.jobs if "query" in job["configuration"]]
    assert {job["configuration"]["labels"]["purpose"] for job in queries} == {"tlc-ledger"}
    assert {job["configuration"]["query"]["maximumBytesBilled"] for job in queries} == {str(100 * 1024**2)}


def test_a_query_that_would_cost_more_than_allowed_is_not_run(
    rig: BigQueryRig, server: BigQueryStandIn, month: Manifest
) -> None:
    rig.load(month)
    rig.warehouse = replace(rig.warehouse, max_bytes_billed=1000)
    with pytest.raises(TargetError, match="exceeded limit for bytes billed"):
        rig.warehouse.read_loads(Dataset.green)


@pytest.mark.parametrize(
    "name",
    [name for name in vars(bigquery_ledger) if name in {"LAST_LOAD", "LAST_LOADS", "ROWS_BY_PARTITION", "ENTER_LOAD"}],
)
def test_the_sql_is_bigquerys(name: str) -> None:
    text = getattr(bigquery_ledger, name)
    sql = text.format(dataset="my-project.tlc", ledger="loads", columns="dataset, month", values="@dataset, @month")
    assert len(sqlglot.parse(sql, read="bigquery", error_level=sqlglot.ErrorLevel.RAISE)) == 1


# A job that is there already


def test_a_lost_answer_loads_once(rig: BigQueryRig, server: BigQueryStandIn, month: Manifest) -> None:
    rig.warehouse.load_month(rig.load_of(month))
    server.drop_connection("jobs.insert", skip=1)  # the first insertion is the query for the ledger
    assert rig.load(month, force=True).status == "loaded"
    sent = [call for call in server.calls("jobs.insert") if "load" in call.json["configuration"]]
    assert [call.status for call in sent] == [200, None, 409]
    assert job_ids(server) == ["202010-1", "202010-2"]
    assert ledger_rows(server) == 2


def test_a_ledger_whose_answer_is_lost_has_one_row(rig: BigQueryRig, server: BigQueryStandIn, month: Manifest) -> None:
    server.drop_connection("jobs.insert", skip=2)
    assert rig.load(month).status == "loaded"
    assert [call.status for call in server.calls("jobs.insert")][-2:] == [None, 409]
    assert ledger_rows(server) == 1
    assert rig.load(month).status == "unchanged"


def test_a_running_job_of_the_same_content_is_waited_for(
    rig: BigQueryRig, server: BigQueryStandIn, month: Manifest
) -> None:
    server.slow_jobs(1000)
    impatient = replace(rig.warehouse, timeouts=JobTimeouts(poll=0.01, job=0.05, request=5, pause=0.01))
    with pytest.raises(TargetUnavailable, match=r"202010-1 is still RUNNING .* run again to wait for it"):
        impatient.load_month(rig.load_of(month))
    (job,) = [job for job in server._jobs.values() if "load" in job.resource["configuration"]]
    job.polls = 2
    assert rig.load(month).status == "loaded"
    assert job_ids(server) == ["202010-1"]
    assert ledger_rows(server) == 1


def test_a_job_of_other_content_is_waited_for_and_then_replaced(
    rig: BigQueryRig, server: BigQueryStandIn, file: Path
) -> None:
    other = rig.lake.write("green", "2020-10", file, etag="v2", rows=100)
    impatient = replace(rig.warehouse, timeouts=JobTimeouts(poll=0.01, job=0.02, request=5, pause=0.01))
    server.slow_jobs(1000)
    with pytest.raises(TargetUnavailable):
        impatient.load_month(rig.load_of(other))
    (job,) = [job for job in server._jobs.values() if "load" in job.resource["configuration"]]
    job.polls = 3
    month = rig.lake.write("green", "2020-10", file)
    assert rig.load(month).status == "loaded"
    assert job_ids(server) == ["202010-1", "202010-2"]
    assert server.rows("tlc.green_trips").num_rows == 300
    assert rig.load(month).status == "unchanged"


def test_two_loads_at_once_are_one_job(rig: BigQueryRig, server: BigQueryStandIn, month: Manifest) -> None:
    server.create_dataset("tlc", "EU")
    server.slow_jobs(5, times=6)
    reports: list[str] = []
    threads = [threading.Thread(target=lambda: reports.append(rig.load(month).status)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(reports) <= {"loaded", "unchanged"}
    assert len(reports) == 3
    assert job_ids(server) == ["202010-1"]
    assert ledger_rows(server) == 1


def test_a_retry_of_a_forced_load_takes_up_its_own_job(
    rig: BigQueryRig, server: BigQueryStandIn, month: Manifest
) -> None:
    rig.load(month, flow_run_id="first")
    server.fail("jobs.insert", 400, skip=2)  # the ledger's
    with pytest.raises(TargetError):
        rig.load(month, force=True, flow_run_id=RUN)
    assert rig.load(month, force=True, flow_run_id=RUN).status == "loaded"
    assert job_ids(server) == ["202010-1", "202010-2"]
    assert rig.load(month, force=True, flow_run_id="other").status == "loaded"
    assert job_ids(server) == ["202010-1", "202010-2", "202010-3"]
    assert [row[0] for row in rig.ledger()] == [1, 2, 3]


def test_tables_made_anew_do_not_take_the_jobs_of_the_old_for_theirs(
    rig: BigQueryRig, server: BigQueryStandIn, month: Manifest
) -> None:
    rig.load(month)
    rig.warehouse.client.delete_dataset("tlc", delete_contents=True)
    assert rig.load(month).status == "loaded"
    assert server.rows("tlc.green_trips").num_rows == 300
    assert job_ids(server) == ["202010-1", "202010-2"]
    assert rig.load(month).status == "unchanged"


# Loads the month of a manifest, saying when the job is done and the ledger not yet written; then waits to be killed.
LOADER = """
import sys, time
from pathlib import Path
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from flows.load.bigquery.month import BigQueryWarehouse
from flows.load.lake.manifest import Manifest
from flows.load.warehouse.protocol import WarehouseLoad

def wait():
    print("job is done", flush=True)
    time.sleep(60)

client = bigquery.Client("test-project", AnonymousCredentials(), client_options={"api_endpoint": sys.argv[1]})
manifest = Manifest.model_validate_json(Path(sys.argv[2]).read_text())
BigQueryWarehouse(client, location="EU").load_month(WarehouseLoad(manifest, "gs://lake"), is_current=wait)
"""


def test_a_process_killed_after_its_job_leaves_it_to_the_next(
    rig: BigQueryRig, server: BigQueryStandIn, month: Manifest, tmp_path: Path
) -> None:
    saved = tmp_path / "manifest.json"
    saved.write_text(month.model_dump_json())
    command = [sys.executable, "-c", LOADER, server.url, str(saved)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "job is done\n"
        process.kill()
    assert ledger_rows(server) == 0
    assert rig.load(month).status == "loaded"
    assert job_ids(server) == ["202010-1"]
    assert ledger_rows(server) == 1
    assert rig.load(month).status == "unchanged"


# Failures


def test_a_failed_job_is_shown_whole_and_leaves_the_partition(
    rig: BigQueryRig, server: BigQueryStandIn, month: Manifest, file: Path
) -> None:
    rig.load(month)
    newer = rig.lake.write("green", "2020-10", file, etag="v2", rows=100)
    detail = {
        "reason": "invalid",
        "message": "Parquet column 'ehail_fee' has type INT64 which does not match the target cpp_type DOUBLE.",
        "location": "gs://lake/a",
    }
    with fail_load_job(server, "Error while reading data", detail), pytest.raises(TargetMismatch) as caught:
        rig.load(newer)
    said = str(caught.value)
    assert "invalid: Error while reading data | invalid: Parquet column 'ehail_fee' has type INT64" in said
    assert "(at gs://lake/a)" in said
    assert "Column at fault: 'ehail_fee'. Compare its type in flows/tlc/schemas/green.toml" in said
    assert server.rows("tlc.green_trips").num_rows == 300
    assert rig.load(month).status == "unchanged"
    assert rig.load(newer).status == "loaded"
    assert job_ids(server) == ["202010-1", "202010-2", "202010-3"]


@pytest.mark.parametrize("reason", ["backendError", "internalError"])
def test_a_job_that_bigquery_itself_failed_may_pass(
    rig: BigQueryRig, server: BigQueryStandIn, month: Manifest, reason: str
) -> None:
    failing = fail_load_job(server, "An internal error occurred", reason=reason)
    with failing, pytest.raises(TargetUnavailable, match=r"An internal error occurred. Run again"):
        rig.load(month)
    assert rig.load(month).status == "loaded"
    assert job_ids(server) == ["202010-1", "202010-2"]


def test_a_bucket_elsewhere_says_how_to_bring_them_together(
    rig: BigQueryRig, server: BigQueryStandIn, month: Manifest
) -> None:
    said = "Cannot read and write in different locations: source: US, destination: EU"
    with fail_load_job(server, said), pytest.raises(TargetMismatch, match=r"different locations.*location=… in TLC_W"):
        rig.load(month)


def test_objects_that_are_gone_fail_the_job(rig: BigQueryRig, server: BigQueryStandIn, month: Manifest) -> None:
    broken = month.model_copy(update={"objects": [month.objects[0].model_copy(update={"name": "trips/gone"})]})
    with pytest.raises(TargetMismatch, match="Not found: URI gs://lake/trips/gone"):
        rig.load(broken)


@pytest.mark.parametrize("reason", ["quotaExceeded", "rateLimitExceeded"])
def test_a_quota_says_what_it_is_and_may_pass(
    rig: BigQueryRig, server: BigQueryStandIn, month: Manifest, reason: str
) -> None:
    patient = rig.warehouse
    rig.warehouse = replace(patient, timeouts=JobTimeouts(poll=0.01, job=5, request=0.2, pause=0.01))
    server.fail("jobs.insert", 403, reason, message="Quota exceeded: too many load jobs", skip=1, times=1000)
    with pytest.raises(TargetUnavailable, match="Quota exceeded: too many load jobs"):
        rig.load(month)
    server._faults.clear()
    rig.warehouse = patient
    assert rig.load(month).status == "loaded"


def test_errors_that_pass_are_retried_by_the_client(rig: BigQueryRig, server: BigQueryStandIn, month: Manifest) -> None:
    server.fail("jobs.insert", 503, skip=1, times=2)
    server.fail("jobs.get", 502, times=2)
    server.drop_connection("jobs.get")
    assert rig.load(month).status == "loaded"
    assert job_ids(server) == ["202010-1"]


def test_missing_rights_name_the_roles(rig: BigQueryRig, server: BigQueryStandIn, month: Manifest) -> None:
    server.create_dataset("tlc", "EU")
    server.fail("jobs.insert", 403, "accessDenied", message="Access Denied: Project test-project: bigquery.jobs.create")
    with pytest.raises(TargetError, match=r"bigquery.jobs.create.*roles bigquery.dataEditor .* bigquery.jobUser"):
        rig.load(month)


def test_a_server_that_is_gone_may_pass(rig: BigQueryRig, server: BigQueryStandIn, month: Manifest) -> None:
    client = bigquery.Client(
        "test-project", rig.warehouse.client._credentials, client_options={"api_endpoint": "http://127.0.0.1:9"}
    )
    gone = replace(rig.warehouse, client=client, timeouts=JobTimeouts(0.01, 1, 0.3, 0.05))
    with pytest.raises(TargetUnavailable, match="Run again"):
        gone.load_month(rig.load_of(month))


def test_another_location_is_refused_before_anything_is_sent(
    rig: BigQueryRig, server: BigQueryStandIn, month: Manifest
) -> None:
    server.create_dataset("tlc", "US")
    with pytest.raises(TargetMismatch, match=r"is in US, but TLC_WAREHOUSE_URL says location=EU.*cannot be moved"):
        rig.load(month)
    rig.warehouse = replace(rig.warehouse, location=None)
    assert rig.load(month).status == "loaded"
    assert load_jobs(server)[0]["jobReference"]["location"] == "US"


def test_a_folder_lake_is_refused_with_the_way_out(rig: BigQueryRig, server: BigQueryStandIn, month: Manifest) -> None:
    rig.lake.url = "file:///tmp/lake"
    with pytest.raises(ParameterError, match=r"Set TLC_LAKE_URL=gs://bucket.*duckdb:///path"):
        rig.load(month)
    assert server.requests == []


# The table's columns


def made_table(rig: BigQueryRig, change: Any) -> bigquery.Table:
    rig.warehouse.client.create_dataset("tlc", exists_ok=True)
    fields = [change(bigquery.SchemaField.from_api_repr(field)) for field in bigquery_fields(schema_of(Dataset.green))]
    table = bigquery.Table("test-project.tlc.green_trips", schema=[field for field in fields if field])
    table.time_partitioning = bigquery.TimePartitioning("MONTH", "source_month")
    rig.warehouse = replace(rig.warehouse, location=None)
    return table


def test_a_table_without_a_column_gets_it(rig: BigQueryRig, server: BigQueryStandIn, month: Manifest) -> None:
    table = made_table(rig, lambda field: None if field.name in ("ehail_fee", "vendor_id") else field)
    rig.warehouse.client.create_table(table)
    rig.load(month)
    names = [field["name"] for field in server.tables["tlc", "green_trips"].fields]
    assert names[-2:] == ["vendor_id", "ehail_fee"]
    patch = server.calls("tables.patch")[0]
    assert patch.headers["if-match"]
    rig.load(month, force=True)
    assert len(server.calls("tables.patch")) == 1


def test_a_null_where_the_table_requires_a_value_is_made_possible(
    rig: BigQueryRig, server: BigQueryStandIn, month: Manifest
) -> None:
    def required(field: bigquery.SchemaField) -> bigquery.SchemaField:
        changed = field.to_api_repr()
        if field.name == "ehail_fee":
            changed |= {"mode": "REQUIRED"}
        if field.name == "lpep_pickup_datetime":
            changed |= {"mode": "NULLABLE", "description": "Old words"}
        return bigquery.SchemaField.from_api_repr(changed)

    rig.warehouse.client.create_table(made_table(rig, required))
    assert rig.load(month).status == "loaded"
    fields = {field["name"]: field for field in server.tables["tlc", "green_trips"].fields}
    assert (fields["ehail_fee"]["mode"], fields["lpep_pickup_datetime"]["mode"]) == ("NULLABLE", "NULLABLE")
    assert fields["lpep_pickup_datetime"]["description"] != "Old words"


def test_a_column_of_another_type_says_what_to_do(rig: BigQueryRig, month: Manifest) -> None:
    table = made_table(rig, lambda f: bigquery.SchemaField("vendor_id", "STRING") if f.name == "vendor_id" else f)
    rig.warehouse.client.create_table(table)
    with pytest.raises(TargetMismatch, match=r"green_trips.vendor_id is STRING in BigQuery, but INT64 is declared"):
        rig.load(month)


def test_a_table_partitioned_otherwise_is_refused(rig: BigQueryRig, month: Manifest) -> None:
    table = made_table(rig, lambda field: field)
    table.time_partitioning = bigquery.TimePartitioning("DAY", "lpep_pickup_datetime")
    rig.warehouse.client.create_table(table)
    with pytest.raises(TargetMismatch, match="is not partitioned by month on source_month"):
        rig.load(month)


def test_partitions_that_expire_are_refused(rig: BigQueryRig, month: Manifest) -> None:
    """As in the BigQuery sandbox, where a month of 2020 would be gone as soon as it is loaded."""
    table = made_table(rig, lambda field: field)
    table.time_partitioning = bigquery.TimePartitioning("MONTH", "source_month", expiration_ms=60 * 86_400_000)
    rig.warehouse.client.create_table(table)
    with pytest.raises(TargetMismatch, match="expire 60 days after their month"):
        rig.load(month)


def test_months_side_by_side_may_add_the_same_column(
    rig: BigQueryRig, server: BigQueryStandIn, month: Manifest
) -> None:
    rig.warehouse.client.create_table(made_table(rig, lambda f: None if f.name == "ehail_fee" else f))
    server.fail("tables.patch", 412, times=2)
    assert rig.load(month).status == "loaded"
