"""Queries of BigQuery, at the wire: a dry run first, a limit on what is billed, pages of rows as Arrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from flows.load.query import QueryLimits
from flows.tlc.dataset import Dataset
from flows.tlc.errors import ParameterError, TargetError, TargetUnavailable
from tests.integration.load.warehouse.lake_months import made_month
from tests.integration.load.warehouse.rigs import BigQueryRig, bigquery_rig
from tests.servers.bigquery import BigQueryStandIn

NONE = QueryLimits()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[BigQueryRig]:
    with bigquery_rig() as rig:
        rig.load(rig.lake.write("green", "2020-10", made_month(tmp_path, "green", "2020-10", 300)))
        yield rig


@pytest.fixture
def server(rig: BigQueryRig) -> BigQueryStandIn:
    assert rig.server is not None
    return rig.server


def ask(rig: BigQueryRig, sql: str, limits: QueryLimits = NONE) -> pa.Table:
    with rig.warehouse.query(sql, limits) as rows:
        return rows.read_all()


def query_jobs(server: BigQueryStandIn) -> list[dict]:
    return [job["configuration"] for job in server.jobs if "query" in job["configuration"]]


def test_rows_come_as_arrow_and_are_billed_no_more_than_the_block_says(
    rig: BigQueryRig, server: BigQueryStandIn
) -> None:
    before = len(query_jobs(server))
    table = rig.warehouse.address(Dataset.green)
    assert table == "`test-project.tlc.green_trips`"
    sql = f"select pu_location_id, lpep_pickup_datetime, fare_amount from {table} order by fare_amount desc;"
    found = ask(rig, sql)
    assert found.num_rows == 300
    assert [str(column.type) for column in found.schema] == ["int64", "timestamp[us]", "double"]
    fares = found["fare_amount"].to_pylist()
    assert fares == sorted(fares, reverse=True)
    (run,) = query_jobs(server)[before:]
    assert run["query"]["maximumBytesBilled"] == str(rig.warehouse.max_bytes_billed)
    assert run["labels"] == {"purpose": "tlc-query"}
    dry_runs = [
        one for one in server.requests if one.operation == "jobs.insert" and one.json["configuration"].get("dryRun")
    ]
    assert len(dry_runs) == 1
    assert [one for one in server.unbounded_queries if one.startswith("select pu_location_id")] == []


def test_a_query_without_rows_has_its_columns(rig: BigQueryRig) -> None:
    found = ask(rig, "select fare_amount, vendor_id from tlc.green_trips where fare_amount > 1e9")
    assert (found.num_rows, found.schema.names) == (0, ["fare_amount", "vendor_id"])


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("delete from tlc.green_trips where true", "DELETE"),
        ("insert into tlc.green_trips select * from tlc.green_trips", "INSERT"),
        ("update tlc.green_trips set fare_amount = 0 where true", "UPDATE"),
    ],
)
def test_nothing_but_a_select_is_run(rig: BigQueryRig, server: BigQueryStandIn, sql: str, kind: str) -> None:
    before = len(server.jobs)
    with pytest.raises(ParameterError, match=f"this is {kind}, and query runs one SELECT"):
        ask(rig, sql)
    assert len(server.jobs) == before
    assert rig.rows_by_month() == {"2020-10": 300}


def test_a_query_that_reads_too_much_is_refused_before_it_costs(rig: BigQueryRig, server: BigQueryStandIn) -> None:
    before = len(server.jobs)
    with pytest.raises(ParameterError, match=r"reads 0 MiB of BigQuery, and may read 0 MiB.*--max-gib"):
        ask(rig, "select * from tlc.green_trips", QueryLimits(max_bytes=1000))
    assert len(server.jobs) == before
    with pytest.raises(ParameterError, match=r"bills more for the query than the 5 MiB allowed .*10485760"):
        ask(rig, "select * from tlc.green_trips", QueryLimits(max_bytes=5 << 20))
    assert ask(rig, "select * from tlc.green_trips", QueryLimits(max_bytes=20 << 20)).num_rows == 300


def test_errors_are_what_bigquery_says(rig: BigQueryRig, server: BigQueryStandIn) -> None:
    with pytest.raises(TargetError, match=r"^BigQuery test-project: .*nope"):
        ask(rig, "select nope from tlc.green_trips")
    with pytest.raises(TargetError, match=r"Not found: Table test-project:tlc\.none"):
        ask(rig, "select 1 from tlc.none")
    server.fail_job("quotaExceeded", "Quota exceeded: try again")
    with pytest.raises(TargetUnavailable, match="try again"):
        ask(rig, "select count(*) from tlc.green_trips")
