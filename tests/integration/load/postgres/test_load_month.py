"""What the table holds after loads, repeated loads, and loads of files that drift or do not fit."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from deployments.tlc_site.synthetic.months import make_month
from flows.tlc.column import Column
from flows.tlc.dataset import Dataset
from flows.tlc.errors import CheckFailed, TargetError, TargetMismatch, TooManyBadRows
from flows.tlc.month import Month
from flows.tlc.schema import schema_of

DECEMBER = Month(2020, 12)
COUNT = "select count(*) from tlc.green_trips"
GREEN = schema_of(Dataset.green)


def month_of(rows: int, *, seed: int = 0, dirt: bool = True, month: Month = DECEMBER) -> pa.Table:
    return make_month(Dataset.green, month, rows, seed=seed, anomalies=dirt)


def with_column(table: pa.Table, name: str, values: object) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def leftovers(database) -> list[str]:
    found = database.query(
        "select relname from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = 'tlc' "
        "and relkind in ('r', 'p') and relname like '%%\\_new%%'"
    )
    return [name for (name,) in found]


def test_loaded_rows_are_the_files_rows_value_by_value(loader, database) -> None:
    table = month_of(2_000, dirt=False)
    report = loader.load(table)

    assert (report.status, report.rows_read, report.rows_loaded) == ("loaded", 2_000, 2_000)
    columns = ["lpep_pickup_datetime", "lpep_dropoff_datetime", "PULocationID", "trip_distance", "total_amount"]
    expected = sorted(tuple(row.values()) for row in table.select(columns).to_pylist())
    found = database.query(
        "select lpep_pickup_datetime, lpep_dropoff_datetime, pu_location_id, trip_distance, total_amount "
        "from tlc.green_trips"
    )
    assert sorted(found) == expected
    assert database.query("select distinct source_month from tlc.green_trips") == [(DECEMBER.first_day,)]


def test_same_file_again_changes_nothing(loader, database) -> None:
    table = month_of(2_000)
    first = loader.load(table)
    again = loader.load(table)

    assert (again.status, again.rows_loaded) == ("unchanged", first.rows_loaded)
    assert database.value(COUNT) == first.rows_loaded
    assert database.value("select count(*) from tlc.loads") == 1
    assert database.value("select count(*) from tlc.rejected_trips") == first.rows_rejected > 0


def test_force_loads_again_and_doubles_nothing(loader, database) -> None:
    table = month_of(2_000)
    first = loader.load(table)
    assert loader.load(table, force=True).status == "loaded"
    assert database.value(COUNT) == first.rows_loaded
    assert database.value("select count(*) from tlc.loads") == 2
    assert database.value("select count(*) from tlc.rejected_trips") == first.rows_rejected


def test_republished_month_replaces_rows_gone_and_new(loader, database) -> None:
    loader.load(month_of(3_000, seed=1))
    other = month_of(1_000, seed=2, dirt=False)
    loader.load(other)

    assert database.value(COUNT) == 1_000
    found = database.query("select lpep_pickup_datetime, total_amount from tlc.green_trips order by 1, 2")
    assert found == sorted(
        zip(other["lpep_pickup_datetime"].to_pylist(), other["total_amount"].to_pylist(), strict=True)
    )
    assert database.value("select count(*) from tlc.rejected_trips") == 0
    assert leftovers(database) == []


def test_back_to_the_first_version_is_loaded_too(loader, database) -> None:
    """The ledger's newest row counts: a version that stood once does not stand now."""
    first, second = month_of(500, seed=1, dirt=False), month_of(700, seed=2, dirt=False)
    for table, rows in ((first, 500), (second, 700), (first, 500)):
        assert loader.load(table).status == "loaded"
        assert database.value(COUNT) == rows


def test_other_drop_rules_are_another_load(loader, database) -> None:
    table = month_of(3_000)
    kept = loader.load(table)
    dropped = loader.load(table, drop_rules=("zero_distance",))
    zero = kept.flagged_by_rule["zero_distance"]
    assert (dropped.status, dropped.rejected_by_rule["zero_distance"]) == ("loaded", zero)
    assert database.value(COUNT) == kept.rows_loaded - zero
    assert database.value(COUNT + " where trip_distance = 0") == 0


@pytest.mark.parametrize(
    "kind",
    [pa.int32(), pa.int64(), pa.float64(), pa.string(), pa.null()],
    ids=["int32", "int64", "double", "text", "null"],
)
def test_types_that_drift_from_file_to_file_give_the_same_column(loader, database, kind) -> None:
    table = month_of(500, dirt=False)
    numbers = pa.nulls(500, pa.float64()) if kind == pa.null() else pc.cast(table["passenger_count"], pa.float64())
    values = pa.nulls(500) if kind == pa.null() else numbers.cast(kind)
    loader.load(month_of(400, dirt=False, month=Month(2020, 11)), month="2020-11")
    loader.load(with_column(table, "passenger_count", values))

    assert database.value("select sum(passenger_count) from tlc.green_trips where source_month = '2020-12-01'") == (
        pc.sum(numbers).as_py()
    )
    assert database.value(COUNT) == 900


def test_values_that_do_not_fit_are_rejected_and_kept_with_the_reason(loader, database) -> None:
    table = month_of(1_000, dirt=False)
    passengers = pc.cast(table["passenger_count"], pa.float64()).to_pylist()
    flags = table["store_and_fwd_flag"].to_pylist()
    pickups = table["lpep_pickup_datetime"].to_pylist()
    passengers[3], passengers[4], flags[5], pickups[6] = 40_000.0, 1.5, "N\x00", None
    table = with_column(table, "passenger_count", pa.array(passengers, pa.float64()))
    table = with_column(table, "store_and_fwd_flag", pa.array(flags))
    table = with_column(table, "lpep_pickup_datetime", pa.array(pickups, pa.timestamp("us")))
    report = loader.load(table)

    assert report.rejected_by_rule == {"unfit_value": 3, "missing_pickup": 1}
    assert database.value(COUNT) == 996
    rejected = database.query(
        "select row_number, rule, detail, record->>'store_and_fwd_flag' from tlc.rejected_trips order by row_number"
    )
    assert [row[:3] for row in rejected] == [
        (4, "unfit_value", "passenger_count: 40000.0 is no int16"),
        (5, "unfit_value", "passenger_count: 1.5 is no int16"),
        (6, "unfit_value", r"store_and_fwd_flag: 'N\x00' is no text"),
        (7, "missing_pickup", None),
    ]
    assert rejected[2][3] == "N\\u0000"


def test_rejected_rows_with_values_that_json_does_not_know_are_kept(loader, database) -> None:
    """NaN, infinity, NUL, a backslash before u0000, and a time of the year 294,000 must not fail the month."""
    table = month_of(1_000, dirt=False)
    pickups = pc.cast(table["lpep_pickup_datetime"], pa.int64()).to_pylist()
    pickups[0:4] = [None, None, None, 2**63 - 1]
    distances = table["trip_distance"].to_pylist()
    distances[0:2] = [float("nan"), float("inf")]
    flags = table["store_and_fwd_flag"].to_pylist()
    flags[2] = "\\u0000"
    table = with_column(table, "trip_distance", pa.array(distances, pa.float64()))
    table = with_column(table, "store_and_fwd_flag", pa.array(flags))
    table = with_column(table, "lpep_pickup_datetime", pa.array(pickups, pa.int64()).cast(pa.timestamp("us")))

    assert loader.load(table).rejected_by_rule == {"missing_pickup": 3, "unfit_value": 1}
    records = database.query(
        "select record->>'trip_distance', record->>'store_and_fwd_flag', record->>'lpep_pickup_datetime' "
        "from tlc.rejected_trips order by row_number"
    )
    assert [records[0][0], records[1][0], records[2][1], records[3][2]] == ["nan", "inf", "\\u0000", str(2**63 - 1)]
    assert database.value(COUNT) == 996


def test_times_at_the_ends_of_what_is_loadable_arrive_as_they_are(loader, database) -> None:
    table = month_of(10, dirt=False)
    moments = table["lpep_dropoff_datetime"].to_pylist()
    moments[:3] = [datetime(1, 1, 1), datetime(3019, 5, 4, 3, 2, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)]
    loader.load(with_column(table, "lpep_dropoff_datetime", pa.array(moments, pa.timestamp("us"))))
    found = {moment for (moment,) in database.query("select lpep_dropoff_datetime from tlc.green_trips")}
    assert set(moments[:3]) <= found


@pytest.mark.parametrize(("bad", "fails"), [(10, False), (11, True)])
def test_more_than_one_percent_bad_rows_leave_the_month_as_it_was(loader, database, bad, fails) -> None:
    loader.load(month_of(500, seed=1, dirt=False))
    table = month_of(1_000, seed=2, dirt=False)
    pickups = [None] * bad + table["lpep_pickup_datetime"].to_pylist()[bad:]
    table = with_column(table, "lpep_pickup_datetime", pa.array(pickups, pa.timestamp("us")))
    if fails:
        with pytest.raises(TooManyBadRows, match=r"11 of 1,000 rows cannot be loaded \(11 missing_pickup\)"):
            loader.load(table)
    else:
        assert loader.load(table).rows_rejected == bad
    assert database.value(COUNT) == (500 if fails else 990)
    assert database.value("select count(*) from tlc.loads") == (1 if fails else 2)
    assert database.value("select count(*) from tlc.rejected_trips") == (0 if fails else bad)
    assert leftovers(database) == []


@pytest.mark.parametrize("batch_rows", [1, 7, 1_000])
def test_small_batches_lose_no_row(loader, database, batch_rows) -> None:
    """The encoder gives empty pieces between small batches: they are not the end of the data."""
    report = loader.load(month_of(800), batch_rows=batch_rows)
    assert database.value(COUNT) == report.rows_loaded


def test_file_without_rows_replaces_no_month_unless_it_is_forced(loader, database) -> None:
    with pytest.raises(CheckFailed, match=r"the file has no rows, .*as it was"):
        loader.load(month_of(300).slice(0, 0))
    loader.load(month_of(300))
    with pytest.raises(CheckFailed, match="the file has no rows"):
        loader.load(month_of(300).slice(0, 0))
    with pytest.raises(CheckFailed, match=r"all 300 rows of the file are rejected \(300 pickup_outside_month\)"):
        loader.load(month_of(300), month="2020-11", drop_rules=("pickup_outside_month",))
    assert database.value(COUNT) == 300
    assert database.value("select count(*) from tlc.loads") == 1
    report = loader.load(month_of(300).slice(0, 0), force=True)
    assert (report.status, report.rows_read, report.rows_loaded) == ("loaded", 0, 0)
    assert database.value(COUNT) == 0
    assert loader.load(month_of(300).slice(0, 0)).status == "unchanged"


def test_ledger_says_how_it_was_loaded_and_an_older_one_is_widened(loader, database) -> None:
    table = month_of(300)
    loader.load(table)
    database.query(
        "alter table tlc.loads drop column source, drop column drop_rules, drop column new_columns; select 1"
    )
    assert loader.load(table).model_dump(include={"status", "drop_rules"}) == {
        "status": "unchanged",
        "drop_rules": None,
    }
    loader.load(table, drop_rules=("zero_distance",))
    said = "select source, drop_rules, new_columns from tlc.loads order by load_id"
    assert database.query(said) == [(None, None, None), ("tlc", ["zero_distance"], "fail")]
    report = loader.load(table, drop_rules=("zero_distance",))
    assert (report.status, report.source, report.drop_rules) == ("unchanged", "tlc", ["zero_distance"])


def test_partition_removed_by_hand_is_loaded_again(loader, database) -> None:
    table = month_of(300, dirt=False)
    loader.load(table)
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("drop table tlc.green_trips_2020_12")
    assert loader.load(table).status == "loaded"
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("alter table tlc.green_trips detach partition tlc.green_trips_2020_12")
    assert loader.load(table).status == "loaded"
    assert database.value(COUNT) == 300


def test_months_and_datasets_do_not_touch_each_other(loader, database) -> None:
    loader.load(month_of(300, dirt=False))
    loader.load(month_of(200, dirt=False, month=Month(2020, 11)), month="2020-11")
    loader.load(make_month(Dataset.fhv, DECEMBER, 100, anomalies=False), dataset="fhv")
    loader.load(month_of(50, seed=5, dirt=False))
    counts = dict(database.query("select source_month::text, count(*) from tlc.green_trips group by 1"))
    assert counts == {"2020-12-01": 50, "2020-11-01": 200}
    assert database.value("select count(*) from tlc.fhv_trips") == 100


@pytest.mark.parametrize("statement", ["update tlc.loads set rows_read = 0", "delete from tlc.loads"])
def test_ledger_cannot_be_changed(loader, database, statement) -> None:
    loader.load(month_of(100, dirt=False))
    with pytest.raises(psycopg2.errors.RaiseException, match=r"tlc\.loads is never updated or deleted"):
        database.query(statement + " returning 1")
    assert database.value("select rows_read from tlc.loads") == 100


def test_new_column_of_the_schema_is_added_to_the_table(loader, database) -> None:
    loader.load(month_of(100, dirt=False, month=Month(2020, 11)), month="2020-11")
    tip = Column("robot_tip", "float64", "What the robot got.", unit="USD", source_names=("Robot_Tip",))
    grown = replace(GREEN, columns=(*GREEN.trip_columns, tip, GREEN.column("source_month")))
    table = month_of(100, dirt=False).append_column("Robot_Tip", pa.array([1.5] * 100))
    loader.load(table, schema=grown)

    assert database.query("select source_month::text, sum(robot_tip) from tlc.green_trips group by 1 order by 1") == [
        ("2020-11-01", None),
        ("2020-12-01", 150.0),
    ]
    comment = (
        "select col_description('tlc.green_trips'::regclass, attnum) from pg_attribute where attname = 'robot_tip'"
    )
    assert "What the robot got. Unit: USD." in [value for (value,) in database.query(comment)]
    loader.load(month_of(70, seed=3, dirt=False))
    assert database.value(COUNT) == 170


def test_kept_columns_become_text_columns(loader, database) -> None:
    table = month_of(100, dirt=False).append_column("Surprise Fee", pa.array(list(range(100))))
    loader.load(table, new_columns="keep")
    assert database.value("select sum(surprise_fee::int) from tlc.green_trips") == sum(range(100))


def test_column_of_another_type_is_reported_with_the_statement_that_mends_it(loader, database) -> None:
    loader.load(month_of(100, dirt=False))
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("alter table tlc.green_trips alter column passenger_count type text")
    with pytest.raises(
        TargetMismatch, match=r"passenger_count is text in Postgres, but smallint is declared"
    ) as caught:
        loader.load(month_of(50, seed=2, dirt=False))
    assert database.value(COUNT) == 100

    statement = caught.value.message.partition("Change it with: ")[2].partition(";")[0]
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
    loader.load(month_of(50, seed=2, dirt=False))
    assert database.value(COUNT) == 50


def test_dependent_view_survives_every_swap(loader, database) -> None:
    loader.load(month_of(100, dirt=False))
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("create view public.by_day as select count(*) as trips from tlc.green_trips")
    loader.load(month_of(60, seed=2, dirt=False))
    assert database.value("select trips from public.by_day") == 60


def test_swapped_partition_has_statistics_index_and_frozen_rows(loader, database) -> None:
    loader.load(month_of(2_000, dirt=False))
    assert (
        database.value("select reltuples::int from pg_class where oid = 'tlc.green_trips_2020_12'::regclass") == 2_000
    )
    indexes = database.query(
        "select indexrelid::regclass::text from pg_index where indrelid = 'tlc.green_trips_2020_12'::regclass"
    )
    assert indexes == [("tlc.green_trips_2020_12_pickup",)]
    assert database.value("select count(*) from pg_constraint where conname = 'source_month'") == 0
    defaults = "select count(*) from pg_attrdef where adrelid = 'tlc.green_trips_2020_12'::regclass"
    assert database.value(defaults) == 0
    assert database.value("select count(*) from tlc.green_trips_2020_12 where source_month = '2020-12-01'") == 2_000


@dataclass
class AsRole:
    """The database as a role of few privileges sees it."""

    database: Any
    role: str

    def connect(self) -> psycopg2.extensions.connection:
        connection = self.database.connect()
        with connection, connection.cursor() as cursor:
            cursor.execute(f"set role {self.role}")
        return connection


@pytest.fixture
def as_role(database) -> Iterator[AsRole]:
    role = f"role_{uuid.uuid4().hex[:12]}"
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"create role {role}")
    yield AsRole(database, role)
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"drop owned by {role} cascade; drop role {role}")


def test_missing_privilege_says_what_to_grant(loader, database, as_role) -> None:
    loader.load(month_of(100, dirt=False))
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            f"grant usage on schema tlc to {as_role.role}; grant select on all tables in schema tlc to {as_role.role}"
        )
    loader.database = as_role
    with pytest.raises(TargetError, match=r"refuses: permission denied .* Grant it to the user of the block"):
        loader.load(month_of(50, seed=2, dirt=False))
    assert database.value(COUNT) == 100


def test_schema_that_is_there_needs_no_right_to_make_one(loader, database, as_role) -> None:
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"create schema tlc; grant usage, create on schema tlc to {as_role.role}")
    loader.database = as_role
    for seed in (1, 2):
        assert loader.load(month_of(50, seed=seed, dirt=False)).status == "loaded"
    loader.load(make_month(Dataset.fhv, DECEMBER, 20, anomalies=False), dataset="fhv")
    assert database.query("select (select count(*) from tlc.green_trips), (select count(*) from tlc.fhv_trips)") == [
        (50, 20)
    ]
