"""Files whose columns are odd, or that have no rows, through the flows into all three targets."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deployments.tlc_site.synthetic.months import make_month
from flows import green_taxi_etl, load_month, reconcile
from flows.tlc.dataset import Dataset, Source
from flows.tlc.errors import CheckFailed, MonthsDiffer, MonthsFailed
from flows.tlc.locations import month_path
from flows.tlc.month import Month

GREEN, FEES = Month(2023, 12), Month(2025, 1)
COUNT = "select count(*) from tlc.{}_trips"


def parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def green(rows: int = 400) -> pa.Table:
    return make_month(Dataset.green, GREEN, rows, anomalies=False)


@pytest.fixture
def load(environment: Path, site):
    """Put a month at the source, and load it into all targets."""

    def load(content: bytes, dataset: str = "green", month: Month = GREEN, **options):
        source = Source(options.get("source", "tlc"))
        site.put(month_path(Dataset(dataset), month, source), content)
        return load_month(dataset=dataset, month=str(month), **options)

    return load


def in_warehouse(environment: Path, sql: str):
    with duckdb.connect(environment.parent / "local" / "warehouse.duckdb") as connection:
        return connection.execute(sql).fetchall()


def test_a_file_without_rows_leaves_a_loaded_month_in_all_targets(load, environment: Path, database) -> None:
    load(parquet(green()))
    with pytest.raises(MonthsFailed, match=r"postgres, gcs: the file has no rows, .*as it was") as caught:
        load(parquet(green().slice(0, 0)))
    assert "force=True" in caught.value.message
    assert database.value(COUNT.format("green")) == 400
    assert in_warehouse(environment, COUNT.format("green")) == [(400,)]
    assert reconcile(dataset="green", check_source="none").differing == []

    assert load(parquet(green().slice(0, 0)), force=True).statuses == dict.fromkeys(
        ("postgres", "gcs", "bigquery"), "loaded"
    )
    with pytest.raises(MonthsDiffer, match="postgres was loaded without a row") as differ:
        reconcile(dataset="green")
    assert all(name in differ.value.message for name in ("gcs was loaded", "bigquery was loaded"))


def test_a_header_alone_is_no_month_and_no_homework(load, database, site) -> None:
    header = gzip.compress(b"VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,RatecodeID," + REST)
    with pytest.raises(MonthsFailed, match="the file has no rows"):
        load(header, month=Month(2020, 12), source="mirror")
    with pytest.raises(CheckFailed, match=r"green 2020-12: the file has no rows"):
        green_taxi_etl(months=["2020-11", "2020-12"])


REST = (
    b"PULocationID,DOLocationID,passenger_count,trip_distance,fare_amount,extra,mta_tax,tip_amount,tolls_amount,"
    b"ehail_fee,improvement_surcharge,total_amount,payment_type,trip_type,congestion_surcharge\n"
)


@pytest.mark.parametrize("new_columns", ["fail", "keep"])
def test_a_renamed_column_fails_every_leg_and_leaves_the_month(load, database, new_columns) -> None:
    load(parquet(green()))
    renamed = green().rename_columns(["total_amt" if name == "total_amount" else name for name in green().column_names])
    with pytest.raises(MonthsFailed, match="total_amt") as caught:
        load(parquet(renamed), new_columns=new_columns)
    assert "source_names" in caught.value.message
    assert database.value("select count(total_amount) from tlc.green_trips") == 400


def test_a_file_of_another_dataset_is_refused(load, database) -> None:
    month = Month(2020, 4)
    with pytest.raises(MonthsFailed, match=r"no hvfhs_license_num, .*columns of a fhv file"):
        load(parquet(make_month(Dataset.fhv, month, 400)), "fhvhv", month)
    assert database.value("select to_regclass('tlc.fhvhv_trips') is null")


def test_a_kept_column_has_one_name_in_every_target(load, environment: Path, database) -> None:
    with_system_names = green()
    for name in ("ctid", "RowID", "_PARTITIONTIME", "select"):
        with_system_names = with_system_names.append_column(name, pa.array([f"{name}{row}" for row in range(400)]))
    outcome = load(parquet(with_system_names), new_columns="keep")
    assert set(outcome.statuses.values()) == {"loaded"}
    sql = 'select count(kept_ctid), count(kept_rowid), count(kept__partitiontime), count("select") from tlc.green_trips'
    assert database.query(sql) == in_warehouse(environment, sql) == [(400,) * 4]


def test_twins_give_the_value_of_either_and_the_index_of_pandas_none(load, environment: Path, database) -> None:
    trips = make_month(Dataset.yellow, FEES, 400, anomalies=False)
    fees = trips["Airport_fee"]
    twins = trips.append_column("airport_fee", pa.nulls(400, pa.float64())).append_column(
        "Unnamed: 0", pa.array(range(400))
    )
    assert set(load(parquet(twins), "yellow", FEES).statuses.values()) == {"loaded"}
    total = "select sum(airport_fee) from tlc.yellow_trips"
    expected = pytest.approx(pa.compute.sum(fees).as_py())
    assert database.value(total) == expected
    assert in_warehouse(environment, total)[0][0] == expected
    differing = trips.append_column("airport_fee", pa.array([99.0] * 400))
    with pytest.raises(MonthsFailed, match="both 'airport_fee', and differ"):
        load(parquet(differing), "yellow", FEES)
    assert database.value(total) == expected


@pytest.mark.parametrize("new_columns", ["fail", "keep"])
@pytest.mark.parametrize("commas", [1, 2])
def test_commas_at_the_ends_of_lines_are_nothing_unless_there_is_a_value(
    load, database, tlc: Path, new_columns, commas
) -> None:
    lines = gzip.decompress((tlc / "mirror/green/green_tripdata_2020-12.csv.gz").read_bytes()).splitlines()[-400:]
    header = b"VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,RatecodeID," + REST.strip()
    ends = b"," * commas
    options = {"month": Month(2020, 12), "source": "mirror", "new_columns": new_columns}
    load(gzip.compress(b"\n".join(line + ends for line in [header, *lines])), **options)
    assert database.value(COUNT.format("green")) == 400
    with pytest.raises(MonthsFailed, match=r"column 21 of the file has no name and values such as '7'"):
        load(gzip.compress(b"\n".join([header + ends, *(line + b",7" + ends[1:] for line in lines)])), **options)
    assert database.value(COUNT.format("green")) == 400
