"""Indexes and constraints that others gave the table: every new partition has them before the swap."""

from __future__ import annotations

import time

import pyarrow as pa
import pytest

from deployments.tlc_site.synthetic.months import make_month
from flows.load.postgres.locks import LockTimeouts
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetError
from flows.tlc.month import Month

pytestmark = pytest.mark.timeout(120)

PARTITION = "tlc.green_trips_2020_12"
INDEXES = {
    "plain": "create index on tlc.green_trips (pu_location_id)",
    "several columns": "create index on tlc.green_trips (pu_location_id desc nulls last, trip_distance) "
    "include (tip_amount)",
    "expression": "create index on tlc.green_trips ((lpep_pickup_datetime::date), round(total_amount))",
    "partial": "create index on tlc.green_trips (total_amount) "
    "where total_amount < 0 and store_and_fwd_flag = 'Y % {}'",
    "unique": "create unique index on tlc.green_trips (source_month, md5(trip_distance::text), lpep_pickup_datetime, "
    "lpep_dropoff_datetime, pu_location_id, do_location_id, total_amount)",
    "hash": "create index on tlc.green_trips using hash (do_location_id)",
    "odd name": 'create index "my "" ON ONLY USING % {} index" on tlc.green_trips (vendor_id) with (fillfactor = 70)',
    "of no partition": "create index on only tlc.green_trips (trip_distance)",
}
CONSTRAINTS = {
    "check": "alter table tlc.green_trips add constraint no_joke check (total_amount < 1e9)",
    "unique constraint": "alter table tlc.green_trips add unique nulls not distinct (source_month, "
    "lpep_pickup_datetime, lpep_dropoff_datetime, pu_location_id, do_location_id, total_amount, trip_distance)",
    "foreign key": "create table public.vendors (id smallint primary key); insert into public.vendors "
    "select generate_series(0, 99); alter table tlc.green_trips add foreign key (vendor_id) references public.vendors",
}
ATTACHED = (
    "select i.indexrelid, pg_get_indexdef(i.indexrelid), i.indisvalid, h.inhparent is not null from pg_index i "
    f"left join pg_inherits h on h.inhrelid = i.indexrelid where i.indrelid = '{PARTITION}'::regclass"
)
OF_TABLE = "select count(*) from pg_index where indrelid = 'tlc.green_trips'::regclass"
HELD = (
    "select relation from pg_locks where database = (select oid from pg_database where datname = current_database()) "
    "and relation is not null and mode = 'AccessExclusiveLock' and pid <> pg_backend_pid()"
)
WAITING = "select 1 from pg_locks where not granted and mode = 'AccessExclusiveLock'"


DECEMBER = Month(2020, 12)


def month_of(rows: int, seed: int = 0, month: Month = DECEMBER) -> pa.Table:
    return make_month(Dataset.green, month, rows, seed=seed, anomalies=False)


def run(database, statements: str) -> None:
    connection = database.connect()
    with connection, connection.cursor() as cursor:
        cursor.execute(statements)
    connection.close()


def built_before_the_swap(loader, database, table: pa.Table) -> set[int]:
    """Load the month while a reader keeps it from being swapped in; what the load had made when it began to wait."""
    reader = database.connect()
    with reader.cursor() as cursor:
        cursor.execute("select count(*) from tlc.green_trips")
        load = loader.in_thread(table, waiting=LockTimeouts(lock=0.5, pause=0.1, total=60))
        deadline = time.monotonic() + 30
        while not database.query(WAITING):
            assert time.monotonic() < deadline and load.thread.is_alive(), "the load did not come to the swap"
        made = {oid for (oid,) in database.query(HELD)}
    reader.rollback()
    reader.close()
    assert load.result().status == "loaded"
    return made


@pytest.mark.parametrize("statement", [*INDEXES.values(), *CONSTRAINTS.values()], ids=[*INDEXES, *CONSTRAINTS])
def test_attached_index_is_the_one_built_before_the_swap(loader, database, statement) -> None:
    loader.load(month_of(300))
    run(database, statement)
    for seed in (1, 2):
        made = built_before_the_swap(loader, database, month_of(400, seed=seed))
        attached = database.query(ATTACHED)
        assert {oid for oid, *_ in attached} <= made
        assert all(is_valid and is_attached for *_, is_valid, is_attached in attached)
        assert len(attached) == database.value(OF_TABLE)
    names = database.query(
        f"select relname from pg_class join pg_index on indexrelid = oid where indrelid = '{PARTITION}'::regclass"
    )
    assert [name for (name,) in names if "_new" in name] == []
    assert database.value("select count(*) from tlc.green_trips") == 400


def test_constraints_are_the_tables_own_on_every_new_partition(loader, database) -> None:
    loader.load(month_of(300))
    run(database, ";".join(CONSTRAINTS.values()))
    for month, rows in (("2020-12", 400), ("2020-11", 200)):
        loader.load(month_of(rows, seed=1, month=Month.parse(month)), month=month)
    inherited = (
        "select count(*), count(*) filter (where c.convalidated and (c.conparentid <> 0 or c.coninhcount = 1)) "
        "from pg_constraint c where contype in ('c', 'u', 'f') and c.conrelid = %s::regclass"
    )
    for partition in (PARTITION, "tlc.green_trips_2020_11"):
        assert database.query(inherited, partition) == [(3, 3)]


def test_rows_that_break_a_constraint_of_others_leave_the_month_as_it_was(loader, database) -> None:
    loader.load(month_of(300))
    run(database, CONSTRAINTS["check"])
    table = month_of(400, seed=1)
    place = table.schema.get_field_index("total_amount")
    with pytest.raises(TargetError, match=r'"no_joke".*violated.*The month is as it was'):
        loader.load(table.set_column(place, "total_amount", pa.array([2e9] * 400)))
    assert database.value("select count(*) from tlc.green_trips") == 300


def test_trigger_of_others_does_not_stand_in_the_way(loader, database) -> None:
    """ATTACH clones it for later changes; rows that are loaded do not set it off."""
    loader.load(month_of(300))
    run(
        database,
        "create function public.refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$;"
        "create trigger refuse before insert on tlc.green_trips for each row execute function public.refuse()",
    )
    assert loader.load(month_of(400, seed=1)).status == "loaded"
    triggers = f"select count(*) from pg_trigger where tgrelid = '{PARTITION}'::regclass and tgname = 'refuse'"
    assert database.value(triggers) == 1
