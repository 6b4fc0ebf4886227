"""Columns that a file brings: in the table with the month, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
import pytest

from deployments.tlc_site.synthetic.months import make_month
from flows.load.postgres.locks import LockTimeouts
from flows.tlc.column import Column
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetBusy, TargetMismatch, TooManyBadRows
from flows.tlc.month import Month
from flows.tlc.schema import schema_of

pytestmark = pytest.mark.timeout(120)

DECEMBER, NOVEMBER = Month(2020, 12), Month(2020, 11)
COUNT = "select count(*) from tlc.green_trips"
COLUMNS = (
    "select attname from pg_attribute where attrelid = 'tlc.green_trips'::regclass and attnum > 0 and not attisdropped"
)
GREEN = schema_of(Dataset.green)


def month_of(rows: int, seed: int = 0, month: Month = DECEMBER) -> pa.Table:
    return make_month(Dataset.green, month, rows, seed=seed, anomalies=False)


def surprising(rows: int, value: object = "yes", **options: object) -> pa.Table:
    return month_of(rows, **options).append_column("Surprise", pa.array([value] * rows))


def without_pickups(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("lpep_pickup_datetime")
    return table.set_column(place, "lpep_pickup_datetime", pa.nulls(table.num_rows, pa.timestamp("us")))


def columns_of(database) -> set[str]:
    return {name for (name,) in database.query(COLUMNS)}


@pytest.mark.parametrize("is_first", [True, False], ids=["first load", "later load"])
def test_load_that_fails_leaves_no_column_behind(loader, database, is_first) -> None:
    if not is_first:
        loader.load(month_of(300))
    with pytest.raises(TooManyBadRows):
        loader.load(without_pickups(surprising(200)), new_columns="keep", force=True)
    assert columns_of(database) == set(GREEN.names)
    assert database.value(COUNT) == (0 if is_first else 300)

    loader.load(surprising(200), new_columns="keep")
    assert columns_of(database) == {*GREEN.names, "surprise"}
    assert database.query("select count(*), count(surprise) from tlc.green_trips") == [(200, 200)]


def test_error_in_the_middle_of_the_file_leaves_no_column_behind(loader, database, hold) -> None:
    loader.load(month_of(300))
    with pytest.raises(OSError, match="the disk broke"):
        loader.load(surprising(900), new_columns="keep", hold=hold(fails_with=OSError("the disk broke")))
    assert columns_of(database) == set(GREEN.names)


def test_two_months_that_bring_the_same_column_side_by_side(loader, database, hold: Callable) -> None:
    loader.load(month_of(100, month=Month(2020, 10)), month="2020-10")
    holds = [hold(holds=True), hold(holds=True)]
    running = [
        loader.in_thread(surprising(900, seed=1), hold=holds[0], new_columns="keep"),
        loader.in_thread(surprising(800, month=NOVEMBER), month="2020-11", hold=holds[1], new_columns="keep"),
    ]
    for held in holds:
        assert held.reached.wait(120)
    assert columns_of(database) == set(GREEN.names)
    for held in holds:
        held.go.set()
    assert [load.result().status for load in running] == ["loaded", "loaded"]
    assert database.query("select count(*), count(surprise) from tlc.green_trips") == [(1_800, 1_700)]


def test_column_that_another_load_has_added_with_another_type_meanwhile(loader, database, hold) -> None:
    loader.load(month_of(100, month=NOVEMBER), month="2020-11")
    declared = Column("surprise", "float64", "A surprise.", source_names=("Surprise",))
    grown = replace(GREEN, columns=(*GREEN.trip_columns, declared, GREEN.column("source_month")))
    paused = hold(holds=True)
    slow = loader.in_thread(surprising(900, 1.5), hold=paused, schema=grown)
    assert paused.reached.wait(120)
    loader.load(surprising(200, seed=3, month=NOVEMBER), month="2020-11", new_columns="keep")
    paused.go.set()
    with pytest.raises(TargetMismatch, match=r"surprise is text in Postgres, but double precision is declared"):
        slow.result()
    assert database.value(COUNT) == 200


@pytest.mark.parametrize("read", ["tlc.green_trips", "tlc.green_trips_2020_11"], ids=["table", "another partition"])
def test_new_column_waits_for_readers_and_comes_with_the_rows(loader, database, read) -> None:
    loader.load(month_of(500, month=NOVEMBER), month="2020-11")
    reader = database.connect()
    with reader.cursor() as cursor:
        cursor.execute(f"select count(*) from {read}")
        with pytest.raises(TargetBusy, match=r"in use for 0 s .*as it was"):
            loader.load(surprising(900), new_columns="keep", waiting=LockTimeouts(lock=0.1, pause=0.1, total=0.3))
        assert columns_of(database) == set(GREEN.names)
        load = loader.in_thread(surprising(900), new_columns="keep", waiting=LockTimeouts(0.2, 0.1, 60))
        assert database.value(COUNT) == 500
        cursor.execute(f"select count(*) from {read}")
        assert cursor.fetchone()[0] == 500
    reader.rollback()
    reader.close()
    assert load.result().status == "loaded"
    assert database.query("select count(*), count(surprise) from tlc.green_trips") == [(1_400, 900)]
