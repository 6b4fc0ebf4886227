"""The homework's table in Postgres: replaced in place, so that what others gave it stays."""

from __future__ import annotations

import gzip
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flows.extract.read.trip_file import open_trip_file
from flows.load.postgres.green_taxi import replace_green_taxi
from flows.load.postgres.locks import LockTimeouts
from flows.tlc.dataset import Dataset
from flows.tlc.errors import CheckFailed, TargetBusy, TargetMismatch
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from flows.transform.conform import plan_conform
from flows.transform.homework import HomeworkStream
from flows.transform.stream import TripStream

COUNT = "select count(*) from mage.green_taxi"
BUSY = LockTimeouts(lock=0.1, pause=0.1, total=0.3)


@pytest.fixture(scope="session")
def lines(tlc: Path) -> list[bytes]:
    """The first 3,000 lines of a real month."""
    with gzip.open(tlc / "mirror/green/green_tripdata_2020-12.csv.gz") as file:
        return [next(file) for _ in range(3_000)]


@pytest.fixture
def replace(database, tmp_path: Path) -> Callable[..., int]:
    """Replaces the table by the rows of a file of these lines; gives their number."""

    def load(lines: list[bytes], role: str | None = None) -> int:
        path = tmp_path / f"{uuid.uuid4().hex}.csv"  # two replace at once
        path.write_bytes(b"".join(lines))
        with open_trip_file(path) as file, closing(database.connect()) as connection:
            if role:
                with connection, connection.cursor() as cursor:
                    cursor.execute(f"set role {role}")
            conformer = plan_conform(schema_of(Dataset.green), Month(2020, 12), file.column_names)
            trips = HomeworkStream([TripStream(file, conformer, lambda _batch: None)])
            replace_green_taxi(connection, trips, waiting=BUSY)
            return trips.counts.rows_loaded

    return load


@pytest.fixture
def role(database) -> Iterator[str]:
    """A role without any privilege."""
    name = f"role_{uuid.uuid4().hex[:12]}"
    run(database, f"create role {name}")
    yield name
    run(database, f"drop owned by {name}; drop role {name}")


def run(database, statements: str) -> None:
    with closing(database.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statements)


def without_column(lines: list[bytes], name: bytes) -> list[bytes]:
    fields = [line.rstrip(b"\r\n").split(b",") for line in lines]
    place = fields[0].index(name)
    return [b",".join(row[:place] + row[place + 1 :]) + b"\n" for row in fields]


def test_privileges_views_and_indexes_survive_a_replacement(replace, database, role, lines) -> None:
    replace(lines[:1_000])
    run(
        database,
        f"grant usage on schema mage to {role}; grant select on mage.green_taxi to {role}; "
        "create view public.by_day as select lpep_pickup_date, count(*) as trips from mage.green_taxi group by 1; "
        "create index by_zone on mage.green_taxi (pu_location_id)",
    )
    rows = replace(lines)

    assert rows > 1_000
    assert database.value("select sum(trips) from public.by_day") == rows
    assert database.value("select has_table_privilege(%s, 'mage.green_taxi', 'select')", role)
    assert database.value("select to_regclass('mage.by_zone') is not null")
    assert database.value("select reltuples::int from pg_class where oid = 'mage.green_taxi'::regclass") == rows


def test_readers_neither_wait_nor_hold_up_a_replacement(replace, database, lines) -> None:
    before = replace(lines[:1_000])
    with closing(database.connect()) as reader, reader.cursor() as cursor:
        cursor.execute("set transaction isolation level repeatable read")
        cursor.execute(COUNT)
        after = replace(lines)
        cursor.execute(COUNT)
        assert cursor.fetchone()[0] == before
        assert database.value(COUNT) == after


def test_two_replacements_at_once_give_the_rows_of_one(replace, database, lines) -> None:
    rows = replace(lines)
    threads = [threading.Thread(target=replace, args=(lines,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert database.value(COUNT) == rows


def test_columns_of_other_files_are_changed_and_privileges_stay(replace, database, role, lines) -> None:
    replace(without_column(lines, b"congestion_surcharge"))
    run(database, f"grant select on mage.green_taxi to {role}; alter table mage.green_taxi alter vendor_id type text")
    rows = replace(without_column(lines, b"trip_type"))

    assert database.value("select count(congestion_surcharge) from mage.green_taxi") > 0
    assert database.query("select count(*), sum(vendor_id) > 0 from mage.green_taxi") == [(rows, True)]
    columns = "select 1 from pg_attribute where attrelid = 'mage.green_taxi'::regclass and attname = 'trip_type'"
    assert database.query(columns) == []
    assert database.value("select has_table_privilege(%s, 'mage.green_taxi', 'select')", role)


def test_view_on_a_column_that_has_to_go_is_named_and_the_table_stays(replace, database, lines) -> None:
    before = replace(lines[:1_000])
    run(database, "create view public.types as select trip_type from mage.green_taxi")
    with pytest.raises(TargetMismatch, match=r"view types depends on column trip_type .* run again, and make it anew"):
        replace(without_column(lines, b"trip_type"))
    assert database.value(COUNT) == before
    run(database, "drop view public.types")
    assert replace(without_column(lines, b"trip_type")) == database.value(COUNT)


def test_columns_are_not_changed_under_a_reader(replace, database, lines) -> None:
    before = replace(lines[:1_000])
    with closing(database.connect()) as reader, reader.cursor() as cursor:
        cursor.execute(COUNT)
        with pytest.raises(TargetBusy, match=r'"mage"."green_taxi" was in use'):
            replace(without_column(lines, b"trip_type"))
    assert database.value(COUNT) == before


def test_broken_assertion_leaves_the_table_as_it_was(replace, database, lines) -> None:
    before = replace(lines[:1_000])
    with pytest.raises(CheckFailed, match=r"vendor_id is one of 1, 2, 6, 7' does not hold for 1 rows"):
        replace([lines[0], b"9" + lines[1][1:], *lines[2:]])
    assert database.value(COUNT) == before


def test_what_is_no_table_is_refused_and_its_rows_stay(replace, database, lines) -> None:
    run(
        database,
        "create schema mage; create table public.mine as select 1 as vendor_id; "
        "create view mage.green_taxi as select * from public.mine",
    )
    with pytest.raises(TargetMismatch, match=r"mage.green_taxi is there, and is no table"):
        replace(lines)
    assert database.value("select count(*) from public.mine") == 1


def test_who_owns_nothing_may_replace_the_rows(replace, database, role, lines) -> None:
    replace(lines[:1_000])
    run(
        database,
        f"grant usage on schema mage to {role}; grant select, insert, delete on mage.green_taxi to {role}",
    )
    assert replace(lines, role=role) == database.value(COUNT)
