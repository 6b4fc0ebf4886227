"""Google's own BigQuery client against the stand-in: what it accepts, refuses and stores, and how it fails."""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core import exceptions
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_RETRY as BIGQUERY_RETRY

from tests.servers.bigquery import BigQueryStandIn
from tests.servers.gcs import FakeGcs, GcsWire
from tests.servers.google_token import TokenServer, service_account_file

TABLE = "test-project.tlc.green_trips"
COLUMNS = [
    bigquery.SchemaField("vendor_id", "INT64", description="Who recorded the trip"),
    bigquery.SchemaField("pickup_at", "DATETIME"),
    bigquery.SchemaField("fare", "FLOAT64"),
    bigquery.SchemaField("source_month", "DATE", "REQUIRED"),
]
BY_MONTH = bigquery.TimePartitioning("MONTH", "source_month")
QUICK = BIGQUERY_RETRY.with_delay(initial=0.01, maximum=0.02).with_timeout(5)


class Lake(dict[tuple[str, str], bytes]):
    """Objects by bucket and name, as a load job finds them."""

    def put(self, name: str, table: pa.Table) -> str:
        """Keep the table as Parquet and give its gs:// address."""
        file = io.BytesIO()
        pq.write_table(table, file)
        self["lake", name] = file.getvalue()
        return f"gs://lake/{name}"

    def read(self, bucket: str, name: str) -> bytes:
        return self[bucket, name]

    def find(self, bucket: str, prefix: str) -> list[str]:
        return sorted(name for where, name in self if where == bucket and name.startswith(prefix))


def trips(month: str, count: int = 3, **replaced: pa.Array) -> pa.Table:
    """`count` trips of one month; columns of other kinds where given."""
    first = datetime.datetime.fromisoformat(f"{month}-01T10:00:00")
    columns = {
        "source_month": pa.array([first.date()] * count, pa.date32()),
        "vendor_id": pa.array(range(count), pa.int16()),
        "pickup_at": pa.array([first] * count, pa.timestamp("us")),
        "fare": pa.array([10.5] * count),
    }
    return pa.table(columns | replaced)


@pytest.fixture
def lake() -> Lake:
    return Lake()


@pytest.fixture
def warehouse(lake: Lake) -> Iterator[BigQueryStandIn]:
    with BigQueryStandIn(lake.read, list_objects=lake.find) as server:
        server.create_dataset("tlc", location="EU")
        yield server


@pytest.fixture
def client(warehouse: BigQueryStandIn) -> bigquery.Client:
    return warehouse.client(location="EU")


@pytest.fixture
def table(client: bigquery.Client) -> bigquery.Table:
    wanted = bigquery.Table(TABLE, schema=COLUMNS)
    wanted.time_partitioning = BY_MONTH
    wanted.clustering_fields = ["vendor_id"]
    return client.create_table(wanted)


def load(
    client: bigquery.Client, uris: list[str], to: str = f"{TABLE}$202010", job_id: str | None = None, **options: Any
) -> bigquery.LoadJob:
    """Start a load job as the project does; options replace its own."""
    parts = {"source_format": "PARQUET", "write_disposition": "WRITE_TRUNCATE", "schema": COLUMNS} | options
    parts = {name: value for name, value in parts.items() if value is not None}
    return client.load_table_from_uri(uris, to, job_id=job_id, job_config=bigquery.LoadJobConfig(**parts), retry=QUICK)


# BigQuery: datasets and tables


def test_datasets_are_made_once_in_a_location_and_changed(warehouse: BigQueryStandIn, client: bigquery.Client) -> None:
    with pytest.raises(exceptions.NotFound, match="Not found: Dataset test-project:lab"):
        client.get_dataset("lab")
    wanted = bigquery.Dataset("test-project.lab")
    wanted.location, wanted.labels = "europe-west1", {"team": "a"}
    made = client.create_dataset(wanted)
    with pytest.raises(exceptions.Conflict, match="Already Exists: Dataset"):
        client.create_dataset(wanted)
    made.labels, made.description = {"team": None, "part": "b"}, "Trips"
    changed = client.update_dataset(made, ["labels", "description"])
    assert (changed.location, changed.labels, changed.description) == ("europe-west1", {"part": "b"}, "Trips")
    assert warehouse.calls("datasets.insert")[0].json["location"] == "europe-west1"


def test_a_table_keeps_what_it_was_made_with_and_takes_new_columns(
    warehouse: BigQueryStandIn, client: bigquery.Client, table: bigquery.Table
) -> None:
    assert client.get_table(TABLE).clustering_fields == ["vendor_id"]
    assert client.get_table(TABLE).schema[0].description == "Who recorded the trip"
    with pytest.raises(exceptions.Conflict, match="Already Exists: Table"):
        client.create_table(table)
    table.schema = [*COLUMNS, bigquery.SchemaField("tip", "FLOAT64")]
    table.labels = {"version": "2"}
    changed = client.update_table(table, ["schema", "labels"])
    assert warehouse.calls("tables.patch")[0].headers["if-match"] == table.etag
    with pytest.raises(exceptions.PreconditionFailed):
        client.update_table(table, ["labels"])
    changed.schema = COLUMNS
    with pytest.raises(exceptions.BadRequest, match="Field tip is missing in new schema"):
        client.update_table(changed, ["schema"])
    assert [item.table_id for item in client.list_tables("tlc")] == ["green_trips"]
    client.delete_table(TABLE)
    with pytest.raises(exceptions.NotFound, match="Not found: Table"):
        client.get_table(TABLE)


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        ({"schema": {"fields": [{"name": "a", "type": "INT23"}]}}, "INT23 is not a valid value"),
        ({"schema": {"fields": [{"name": "a b", "type": "STRING"}]}}, "Invalid field name"),
        ({"labels": {"Upper": "x"}}, "Invalid label key"),
        ({"partitioning": {}}, "Unknown name \"partitioning\" at 'table'"),
        ({"timePartitioning": {"type": "WEEK"}}, "WEEK is not a valid value"),
        (
            {
                "schema": {"fields": [{"name": "month", "type": "STRING"}]},
                "timePartitioning": {"type": "MONTH", "field": "month"},
            },
            "The type found is: STRING",
        ),
    ],
)
def test_a_table_that_cannot_be_is_refused(warehouse: BigQueryStandIn, resource: dict[str, Any], message: str) -> None:
    url = f"{warehouse.url}/bigquery/v2/projects/test-project/datasets/tlc/tables"
    answer = httpx.post(url, json={"tableReference": {"tableId": "t"}} | resource)
    error = answer.json()["error"]
    assert (answer.status_code, error["status"], error["errors"][0]["reason"]) == (400, "INVALID_ARGUMENT", "invalid")
    assert message in error["message"]


# BigQuery: load jobs


def test_a_load_replaces_one_partition_and_counts(
    warehouse: BigQueryStandIn, client: bigquery.Client, table: bigquery.Table, lake: Lake
) -> None:
    load(client, [lake.put("november", trips("2020-11"))], f"{TABLE}$202011").result()
    load(client, [lake.put("old", trips("2020-10", 5))]).result()
    parts = [lake.put("a", trips("2020-10", 2)), lake.put("b", trips("2020-10", 1))]
    job = load(client, parts, job_id="green-202010", labels={"dataset": "green"}).result()
    assert (job.output_rows, job.input_files, job.job_id, job.location) == (3, 2, "green-202010", "EU")
    assert job.input_file_bytes == len(lake["lake", "a"]) + len(lake["lake", "b"])
    assert warehouse.partitions("tlc.green_trips") == ["202010", "202011"] == client.list_partitions(TABLE)
    assert warehouse.rows("tlc.green_trips", "202010")["vendor_id"].to_pylist() == [0, 1, 0]
    sent = warehouse.calls("jobs.insert")[-1].json
    assert sent["configuration"]["labels"] == {"dataset": "green"}
    assert sent["configuration"]["load"]["destinationTable"]["tableId"] == "green_trips$202010"
    assert sent["configuration"]["load"]["sourceUris"] == parts


def test_append_adds_empty_checks_and_the_default_is_append(
    warehouse: BigQueryStandIn, client: bigquery.Client, table: bigquery.Table, lake: Lake
) -> None:
    uri = lake.put("a", trips("2020-10"))
    load(client, [uri], write_disposition="WRITE_EMPTY").result()
    load(client, [uri], write_disposition=None).result()
    assert warehouse.rows("tlc.green_trips").num_rows == 6
    with pytest.raises(exceptions.Conflict, match=r"Already Exists: Table .*\$202010"):
        load(client, [uri], write_disposition="WRITE_EMPTY").result()


def test_a_new_table_needs_partitioning_and_a_schema_or_takes_the_files(
    warehouse: BigQueryStandIn, client: bigquery.Client, lake: Lake
) -> None:
    uris = [lake.put("x/a", trips("2020-10")), lake.put("x/b", trips("2020-11"))]
    with pytest.raises(exceptions.BadRequest, match="Partitioning specification must be provided"):
        load(client, uris[:1]).result()
    with pytest.raises(exceptions.NotFound, match="Not found: Table"):
        load(client, uris, TABLE, create_disposition="CREATE_NEVER").result()
    load(client, ["gs://lake/x/*"], TABLE, time_partitioning=BY_MONTH).result()
    assert warehouse.partitions("tlc.green_trips") == ["202010", "202011"]
    load(client, uris[:1], "test-project.tlc.plain", schema=None).result()
    found = {column.name: column.field_type for column in client.get_table("tlc.plain").schema}
    assert found == {"source_month": "DATE", "vendor_id": "INTEGER", "pickup_at": "DATETIME", "fare": "FLOAT"}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"vendor_id": pa.array([1.0])},
            "Parquet column 'vendor_id' has type DOUBLE which does not match the target cpp_type INT64. File: gs://lake/a",
        ),
        (
            {"vendor_id": pa.array(["1"])},
            "'vendor_id' has type BYTE_ARRAY which does not match the target cpp_type INT64",
        ),
        ({"fare": pa.array([1])}, "'fare' has type INT64 which does not match the target cpp_type DOUBLE"),
        ({"pickup_at": pa.array([0], pa.timestamp("ns"))}, "nanoseconds"),
        ({"pickup_at": pa.array([0], pa.timestamp("us", tz="UTC"))}, "isAdjustedToUTC=true"),
        ({"source_month": pa.array([None], pa.date32())}, "Required field 'source_month' has null values"),
        ({"tip": pa.array([1.0])}, "Cannot add fields (field: tip)"),
        (
            {"source_month": pa.array([datetime.date(2020, 11, 1)])},
            "Some rows belong to different partitions rather than destination partition 202010",
        ),
    ],
)
@pytest.mark.usefixtures("table")
def test_files_that_do_not_fit_fail_the_job_and_leave_the_partition(
    warehouse: BigQueryStandIn, client: bigquery.Client, lake: Lake, columns: dict[str, pa.Array], message: str
) -> None:
    load(client, [lake.put("good", trips("2020-10", 5))]).result()
    job = load(client, [lake.put("a", trips("2020-10", 1, **columns))])
    with pytest.raises(exceptions.BadRequest) as refused:
        job.result()
    assert message in str(refused.value)
    assert (job.state, job.error_result["reason"]) == ("DONE", "invalid")
    assert warehouse.rows("tlc.green_trips", "202010").num_rows == 5


@pytest.mark.parametrize(
    ("to", "options", "message"),
    [
        (TABLE, {"schema": COLUMNS[:3], "write_disposition": "WRITE_APPEND"}, "source_month is missing in new schema"),
        (
            f"{TABLE}$202010",
            {"schema": [bigquery.SchemaField("vendor_id", "STRING"), *COLUMNS[1:]]},
            "Field vendor_id has changed type from INTEGER to STRING",
        ),
        (f"{TABLE}$20201001", {}, "Invalid partition 20201001"),
        (
            f"{TABLE}$202010",
            {"time_partitioning": bigquery.TimePartitioning("DAY", "source_month")},
            r"interval\(type:month,field:source_month\).*but input partitioning specification is interval\(type:day",
        ),
        ("test-project.tlc.plain$202010", {}, "Cannot add storage to a non-partitioned table"),
        (f"{TABLE}$202010", {"source_format": None}, "CSV table encountered too many errors"),
    ],
)
@pytest.mark.usefixtures("table")
def test_jobs_that_do_not_go_with_the_table_fail(
    client: bigquery.Client, lake: Lake, to: str, options: dict[str, Any], message: str
) -> None:
    client.create_table(bigquery.Table("test-project.tlc.plain", schema=COLUMNS))
    with pytest.raises(exceptions.BadRequest, match=message):
        load(client, [lake.put("a", trips("2020-10"))], to, **options).result()


def test_a_new_column_comes_with_the_option_for_it(
    warehouse: BigQueryStandIn, client: bigquery.Client, table: bigquery.Table, lake: Lake
) -> None:
    load(client, [lake.put("a", trips("2020-11"))], f"{TABLE}$202011").result()
    wider = [*COLUMNS, bigquery.SchemaField("tip", "FLOAT64")]
    uri = lake.put("b", trips("2020-10", 1, tip=pa.array([1.5])))
    with pytest.raises(exceptions.BadRequest, match="Cannot add fields"):
        load(client, [uri], schema=wider).result()
    load(client, [uri], schema=wider, schema_update_options=["ALLOW_FIELD_ADDITION"]).result()
    assert warehouse.rows("tlc.green_trips")["tip"].to_pylist() == [1.5, None, None, None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sourceUri": ["gs://a/b"]}, "Unknown name \"sourceUri\" at 'job.configuration.load'"),
        ({"writeDisposition": "WRITE_OVER"}, "WRITE_OVER is not a valid value"),
        ({"sourceFormat": "XLSX"}, "XLSX is not a valid value"),
        ({"sourceUris": ["/tmp/a"]}, "Source URI must be a Google Cloud Storage location"),
        ({"sourceUris": ["gs://a/b"] * 10_001}, "Too many source URIs"),
        ({"sourceUris": "gs://a/b"}, "Invalid value at 'job.configuration.load.sourceUris'"),
        ({"schemaUpdateOptions": ["ALLOW_FIELD_ADDITION"]}, "Schema update options should only be specified with"),
        ({"destinationTable": {"projectId": "p", "datasetId": "tlc", "tableId": "t$2020-10"}}, "Invalid table ID"),
        (
            {"destinationTable": {"projectId": "p", "datasetId": "tlc", "tableId": "t$202013"}},
            "Invalid partition decorator",
        ),
    ],
)
def test_a_load_that_can_never_run_is_refused(warehouse: BigQueryStandIn, change: dict[str, Any], message: str) -> None:
    target = {"projectId": "test-project", "datasetId": "tlc", "tableId": "t"}
    config = {"destinationTable": target, "sourceUris": ["gs://a/b"], "writeDisposition": "WRITE_TRUNCATE"} | change
    url = f"{warehouse.url}/bigquery/v2/projects/test-project/jobs"
    answer = httpx.post(url, json={"configuration": {"load": config}})
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]
    assert warehouse.jobs == []


def test_trip_data_never_passes_through_the_client(warehouse: BigQueryStandIn, client: bigquery.Client) -> None:
    with pytest.raises(exceptions.BadRequest, match="Uploads are refused"):
        client.load_table_from_file(io.BytesIO(b"a,b\n"), TABLE, size=4)
    assert warehouse.calls("jobs.upload")[0].body_length > 0


def test_jobs_live_in_a_location_and_their_ids_are_used_once(
    client: bigquery.Client, table: bigquery.Table, lake: Lake
) -> None:
    uri = lake.put("a", trips("2020-10"))
    job = load(client, [uri], job_id="once")
    with pytest.raises(exceptions.Conflict, match=r"Already Exists: Job test-project:EU.once") as refused:
        load(client, [uri], job_id="once")
    assert refused.value.errors[0]["reason"] == "duplicate"
    assert client.get_job("once", location="EU").result().output_rows == job.result().output_rows == 3
    with pytest.raises(exceptions.NotFound, match=r"Not found: Job test-project:US.once"):
        client.get_job("once", location="US")
    with pytest.raises(exceptions.NotFound, match="Dataset test-project:tlc was not found in location US"):
        client.load_table_from_uri([uri], TABLE, location="US")
    with pytest.raises(exceptions.BadRequest, match="Invalid job ID"):
        load(client, [uri], job_id="green 2020/10")


def test_a_lost_answer_leaves_a_job_that_a_retry_finds(
    warehouse: BigQueryStandIn, client: bigquery.Client, table: bigquery.Table, lake: Lake
) -> None:
    warehouse.drop_connection("jobs.insert")
    with pytest.raises(exceptions.Conflict):
        load(client, [lake.put("a", trips("2020-10"))], job_id="lost")
    assert client.get_job("lost", location="EU").result().output_rows == 3
    assert [call.status for call in warehouse.calls("jobs.insert")] == [None, 409]
    assert len(warehouse.jobs) == 1


def test_slow_jobs_run_after_their_polls_and_can_be_cancelled(
    warehouse: BigQueryStandIn, client: bigquery.Client, table: bigquery.Table, lake: Lake
) -> None:
    warehouse.slow_jobs(2, times=2)
    job = load(client, [lake.put("a", trips("2020-10"))])
    states = [job.state]
    while not job.done():
        states.append(job.state)
    assert states == ["PENDING", "RUNNING", "RUNNING"]
    assert warehouse.rows("tlc.green_trips").num_rows == 3
    second = load(client, [lake.put("a", trips("2020-10", 9))])
    second.cancel()
    with pytest.raises(exceptions.GoogleAPICallError, match="Job execution was cancelled"):
        second.result()
    assert warehouse.rows("tlc.green_trips").num_rows == 3


def test_jobs_fail_as_the_test_says(
    warehouse: BigQueryStandIn, client: bigquery.Client, table: bigquery.Table, lake: Lake
) -> None:
    column = {"reason": "invalid", "message": "column 'fare' is at fault", "location": "gs://lake/a"}
    warehouse.fail_job("backendError", "Backend failed", more=[column])
    job = load(client, [lake.put("a", trips("2020-10"))])
    with pytest.raises(exceptions.InternalServerError, match=r"Backend failed.*column 'fare' is at fault"):
        job.result()
    assert job.errors[1] == column
    assert warehouse.rows("tlc.green_trips").num_rows == 0
    with pytest.raises(exceptions.NotFound, match="Not found: URI gs://lake/missing"):
        load(client, ["gs://lake/missing"]).result()


def test_requests_fail_as_the_test_says(
    warehouse: BigQueryStandIn, client: bigquery.Client, table: bigquery.Table, lake: Lake
) -> None:
    uri = lake.put("a", trips("2020-10"))
    warehouse.fail("jobs.insert", 403, "quotaExceeded", message="Quota exceeded: too many load jobs")
    with pytest.raises(exceptions.Forbidden, match="Quota exceeded: too many load jobs"):
        load(client, [uri])
    warehouse.fail("jobs.insert", 403, "rateLimitExceeded", times=2)
    warehouse.fail("jobs.insert", 503)
    assert load(client, [uri]).result().output_rows == 3
    assert [call.status for call in warehouse.calls("jobs.insert")] == [403, 403, 403, 503, 200]
    warehouse.fail("tables.get", 403, "accessDenied", message="Access Denied: Table test-project:tlc.green_trips")
    with pytest.raises(exceptions.Forbidden, match="Access Denied"):
        client.get_table(TABLE)
    with pytest.raises(exceptions.Forbidden, match="Access Denied: Project other"):
        client.get_table("other.tlc.green_trips")


# BigQuery: queries


def test_queries_run_and_their_limits_are_seen(
    warehouse: BigQueryStandIn, client: bigquery.Client, table: bigquery.Table, lake: Lake
) -> None:
    load(client, [lake.put("a", trips("2020-10"))]).result()
    bounded = bigquery.QueryJobConfig(
        maximum_bytes_billed=100_000_000, query_parameters=[bigquery.ScalarQueryParameter("least", "INT64", 1)]
    )
    sums = "SELECT source_month, COUNT(*) n, SUM(fare) fares, MAX(pickup_at) last"
    sql = f"{sums} FROM `{TABLE}` WHERE vendor_id >= @least GROUP BY 1"
    (row,) = client.query(sql, bounded).result()
    assert row.values() == (datetime.date(2020, 10, 1), 2, 21.0, datetime.datetime(2020, 10, 1, 10))
    assert warehouse.unbounded_queries == []
    assert [r.n for r in client.query_and_wait("SELECT COUNT(*) n FROM tlc.green_trips")] == [3]
    assert warehouse.unbounded_queries == ["SELECT COUNT(*) n FROM tlc.green_trips"]
    small = bigquery.QueryJobConfig(maximum_bytes_billed=1000)
    with pytest.raises(
        exceptions.InternalServerError, match=r"exceeded limit for bytes billed: 1000. 10485760 or higher"
    ):
        client.query(sql.replace("@least", "1"), small, job_retry=None).result()
    dry = client.query(f"SELECT fare FROM `{TABLE}`", bigquery.QueryJobConfig(dry_run=True))
    assert (dry.state, dry.total_bytes_processed, dry.schema[0].name) == ("DONE", 24, "fare")
    assert [row.vendor_id for row in client.list_rows(TABLE, page_size=2)] == [0, 1, 2]
    pages = client.query(f"SELECT vendor_id FROM `{TABLE}` ORDER BY 1").result(page_size=2).pages
    assert [[row.vendor_id for row in page] for page in pages] == [[0, 1], [2]]


def test_partitions_are_listed_by_sql_and_a_filter_on_them_may_be_required(
    client: bigquery.Client, table: bigquery.Table, lake: Lake
) -> None:
    for month in ("2020-10", "2020-11"):
        load(client, [lake.put("a", trips(month))], f"{TABLE}${month.replace('-', '')}").result()
    sql = "SELECT partition_id, total_rows FROM tlc.INFORMATION_SCHEMA.PARTITIONS WHERE table_name = 'green_trips'"
    assert [row.values() for row in client.query(f"{sql} ORDER BY 1").result()] == [("202010", 3), ("202011", 3)]
    client.delete_table(f"{TABLE}$202011")
    assert client.get_table(TABLE).num_rows == 3
    table = client.get_table(TABLE)
    table.require_partition_filter = True
    client.update_table(table, ["require_partition_filter"])
    with pytest.raises(exceptions.BadRequest, match=r"without a filter over column\(s\) 'source_month'"):
        client.query(f"SELECT COUNT(*) FROM `{TABLE}`", job_retry=None)
    filtered = f"SELECT COUNT(*) FROM `{TABLE}` WHERE source_month = '2020-10-01'"
    assert [row[0] for row in client.query(filtered).result()] == [3]


def test_insert_and_merge_change_the_table(
    warehouse: BigQueryStandIn, client: bigquery.Client, table: bigquery.Table
) -> None:
    client.query(
        f"INSERT INTO `{TABLE}` (vendor_id, source_month) VALUES (1, DATE '2020-10-01'), (2, DATE '2020-11-01')"
    ).result()
    with pytest.raises(exceptions.BadRequest, match="Required field source_month cannot be null"):
        client.query(f"INSERT INTO `{TABLE}` (vendor_id) VALUES (1)", job_retry=None).result()
    merge = client.query(
        f"MERGE `{TABLE}` t USING (SELECT 1 AS vendor_id, 7.5 AS fare UNION ALL SELECT 3, 8.5) s "
        "ON t.vendor_id = s.vendor_id "
        "WHEN MATCHED THEN UPDATE SET fare = s.fare "
        "WHEN NOT MATCHED THEN INSERT (vendor_id, fare, source_month) VALUES (s.vendor_id, s.fare, DATE '2020-12-01')"
    )
    merge.result()
    assert merge.num_dml_affected_rows == 2
    assert warehouse.partitions("tlc.green_trips") == ["202010", "202011", "202012"]
    assert sorted(warehouse.rows("tlc.green_trips")["fare"].to_pylist(), key=str) == [7.5, 8.5, None]


def test_datasets_tables_and_views_are_made_by_statements(
    warehouse: BigQueryStandIn, client: bigquery.Client, table: bigquery.Table, lake: Lake
) -> None:
    """As dbt writes them; a dataset is made where the job runs, and a view reads what is there when it is asked."""
    client.query("create schema if not exists `test-project`.`elsewhere`", location="US").result()
    client.query("create schema if not exists marts", location="EU").result()
    assert (warehouse.datasets["elsewhere"]["location"], warehouse.datasets["marts"]["location"]) == ("US", "EU")
    client.query(f"create or replace view marts.v OPTIONS() as select source_month, fare from `{TABLE}`").result()
    load(client, [lake.put("a", trips("2020-10"))]).result()
    made = """create or replace table marts.t partition by date_trunc(source_month, month)
        OPTIONS(description=\"\"\"Sums\"\"\") as (select source_month, sum(fare) as fare from marts.v group by 1);"""
    assert list(client.query(made).result()) == []
    assert client.query(made).statement_type == "CREATE_TABLE_AS_SELECT"
    assert warehouse.partitions("marts.t") == ["202010"]
    found = client.get_table("marts.t")
    assert (found.description, found.time_partitioning.type_, found.num_rows) == ("Sums", "MONTH", 1)
    assert {item.table_id: item.table_type for item in client.list_tables("marts")} == {"v": "VIEW", "t": "TABLE"}
    for sql, message in {
        made.replace("partition by date_trunc(source_month, month)", ""): "different partitioning spec",
        "create or replace table marts.v as select 1 as a": "is not a TABLE",
        "create table marts.t (a int64)": "Already Exists: Table test-project:marts.t",
        "create or replace view elsewhere.v as select * from marts.v": "not found in location EU",
        "select 1 as rows": "Unexpected keyword ROWS",
        "select date_pert('x')": "Function not found: date_pert",
        "delete from marts.v where true": "cannot be modified by DML",
    }.items():
        with pytest.raises(exceptions.GoogleAPICallError, match=message):
            client.query(sql, job_retry=None).result()


def test_a_script_that_fails_undoes_its_transaction(
    warehouse: BigQueryStandIn, client: bigquery.Client, table: bigquery.Table, lake: Lake
) -> None:
    load(client, [lake.put("a", trips("2020-10"))]).result()
    script = (
        f"create table if not exists tlc.log (made timestamp); begin transaction; delete from `{TABLE}` where true; "
        "insert into tlc.log (made) values ({}); commit transaction;"
    )
    with pytest.raises(exceptions.BadRequest, match="nope"):
        client.query(script.format("nope"), job_retry=None).result()
    assert (warehouse.rows("tlc.green_trips").num_rows, warehouse.rows("tlc.log").num_rows) == (3, 0)
    client.query(script.format("current_timestamp")).result()
    assert (warehouse.rows("tlc.green_trips").num_rows, warehouse.rows("tlc.log").num_rows) == (0, 1)


@pytest.mark.parametrize(
    ("sql", "error", "message"),
    [
        ("SELEC 1", exceptions.BadRequest, "Syntax error|some CREATE"),
        ("SELECT nope FROM tlc.green_trips", exceptions.BadRequest, "nope"),
        ("DROP TABLE tlc.green_trips", exceptions.BadRequest, "SELECT, INSERT"),
        (
            "SELECT 1 FROM tlc.nope",
            exceptions.NotFound,
            "Not found: Table test-project:tlc.nope was not found in location EU",
        ),
        ("SELECT 1 FROM nope.t", exceptions.NotFound, "Not found: Dataset test-project:nope"),
    ],
)
def test_queries_that_cannot_run_are_refused(
    client: bigquery.Client, table: bigquery.Table, sql: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as refused:
        client.query(sql, job_retry=None).result()
    assert refused.value.errors[0]["reason"] in ("invalidQuery", "notFound")  # type: ignore[attr-defined] # Google's errors have them


def test_an_external_table_reads_the_lake_with_its_folders(
    warehouse: BigQueryStandIn, client: bigquery.Client, lake: Lake
) -> None:
    for day in ("2020-10-01", "2020-10-02"):
        lake.put(f"trips/pickup_date={day}/green.parquet", trips("2020-10", 2))
    config = bigquery.ExternalConfig("PARQUET")
    config.source_uris = ["gs://lake/trips/*"]
    hive = bigquery.HivePartitioningOptions()
    hive.mode, hive.source_uri_prefix = "CUSTOM", "gs://lake/trips/{pickup_date:DATE}"
    config.hive_partitioning = hive
    external = bigquery.Table("test-project.tlc.lake_trips")
    external.external_data_configuration = config
    assert client.create_table(external).schema[-1].name == "pickup_date"
    sql = "SELECT pickup_date, COUNT(*) n FROM tlc.lake_trips GROUP BY 1 ORDER BY 1"
    assert [row.values() for row in client.query(sql).result()] == [(datetime.date(2020, 10, d), 2) for d in (1, 2)]
    hive.source_uri_prefix = "gs://lake/other/"
    config.hive_partitioning = hive
    external = bigquery.Table("test-project.tlc.other_trips")
    external.external_data_configuration = config
    with pytest.raises(exceptions.BadRequest, match="must be a prefix"):
        client.create_table(external)


# Credentials


def test_a_block_of_credentials_works_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gcp = pytest.importorskip("prefect_gcp")
    with TokenServer() as tokens:
        key = service_account_file(tmp_path / "key.json", f"{tokens.url}/token", "test-project")
        with BigQueryStandIn(tokens=tokens.issued) as warehouse, GcsWire("lake", tokens=tokens.issued) as gcs:
            addresses = {"BIGQUERY_EMULATOR_HOST": warehouse.url, "STORAGE_EMULATOR_HOST": gcs.url}
            for name, value in (addresses | tokens.environment).items():
                monkeypatch.setenv(name, value)
            credentials = gcp.GcpCredentials(service_account_file=key, project="test-project")
            assert list(credentials.get_bigquery_client().list_datasets()) == []
            assert credentials.get_cloud_storage_client().bucket("lake").exists()
            assert warehouse.requests[0].headers["authorization"].removeprefix("Bearer ") in tokens.issued
            refused = httpx.get(f"{warehouse.url}/bigquery/v2/projects/test-project/datasets")
            assert (refused.status_code, refused.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert tokens.assertions[0]["iss"] == "loader@test-project.iam.gserviceaccount.com"
    assert "cloud-platform" in tokens.assertions[0]["scope"]


def test_fake_gcs_keeps_its_objects_over_a_kill_and_feeds_load_jobs(tmp_path: Path) -> None:
    with FakeGcs(tmp_path, "lake") as server:
        file = io.BytesIO()
        pq.write_table(trips("2020-10"), file)
        server.client().bucket("lake").blob("day=1/a b.parquet").upload_from_string(file.getvalue())
        server.kill()
        with pytest.raises(OSError, match="refused"):
            server.read_object("lake", "day=1/a b.parquet")
        server.start()
        assert server.list_objects("lake", "day=1/") == ["day=1/a b.parquet"]
        with BigQueryStandIn(server.read_object, list_objects=server.list_objects) as warehouse:
            warehouse.create_dataset("tlc")
            load(warehouse.client(), ["gs://lake/day=1/*"], TABLE).result()
            assert warehouse.rows("tlc.green_trips").num_rows == 3
