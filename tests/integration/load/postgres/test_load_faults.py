"""Loads that are killed, cut off, blocked or doubled: what readers see meanwhile and what stands afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pyarrow as pa
import pytest

from deployments.tlc_site.synthetic.months import make_month, write_parquet
from flows.load.postgres.locks import LockTimeouts, advisory_lock
from flows.load.postgres.month import current_loads
from flows.tlc.dataset import Dataset
from flows.tlc.errors import NewerLoad, TargetBusy, TargetUnavailable
from flows.tlc.month import Month
from tests.integration.load.postgres.conftest import Running

pytestmark = pytest.mark.timeout(120)

ROOT = Path(__file__).resolve().parents[4]
COUNT = "select count(*) from tlc.green_trips"
COPYING = (
    "select pid from pg_stat_activity where datname = current_database() and state = 'active' and query ~* '^copy'"
)
TABLES = "select count(*) from pg_class where relname like '%%\\_new%%' and relkind = 'r'"
SHORT = LockTimeouts(lock=0.2, pause=0.3, total=30)

LOAD_IN_A_PROCESS = """
import sys
from pathlib import Path
import psycopg2
from flows.extract.read.trip_file import open_trip_file
from flows.load.month_load import MonthLoad
from flows.load.postgres.month import load_month
from flows.load.rejected_spill import rejected_spill
from flows.tlc.dataset import Dataset
from flows.tlc.identity import MonthRequest
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from flows.transform.conform import plan_conform
from flows.transform.stream import TripStream

url, path = sys.argv[1:]
request = MonthRequest(Dataset.yellow, Month(2024, 1))
with open_trip_file(Path(path)) as file, rejected_spill() as rejected:
    conformer = plan_conform(schema_of(request.dataset), request.month, file.column_names)
    trips = TripStream(file, conformer, rejected.write)
    load = MonthLoad(request, "postgres", "http://127.0.0.1/", "the-same")
    report = load_month(psycopg2.connect(url), load, trips, rejected)
print(report.status, report.rows_loaded)
"""


DECEMBER = Month(2020, 12)


def month_of(rows: int, seed: int = 0, month: Month = DECEMBER) -> pa.Table:
    return make_month(Dataset.green, month, rows, seed=seed, anomalies=False)


def wait_until(condition, seconds: float = 30):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)
    return found


def load_in_a_process(database, path: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", LOAD_IN_A_PROCESS, database.url, str(path)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_kill_in_the_middle_of_copy_leaves_no_trace_and_the_next_run_completes(database, tmp_path) -> None:
    path = tmp_path / "yellow.parquet"
    rows = write_parquet(Dataset.yellow, Month(2024, 1), path, 500_000)
    killed = load_in_a_process(database, path)
    watcher = database.connect()
    watcher.autocommit = True
    with watcher.cursor() as cursor:

        def copied() -> bool:
            assert killed.poll() is None, killed.communicate()
            cursor.execute("select max(tuples_processed) from pg_stat_progress_copy where datname = current_database()")
            return (cursor.fetchone()[0] or 0) > 50_000

        wait_until(copied)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    watcher.close()
    wait_until(lambda: not database.query(COPYING))

    assert database.value("select count(*) from tlc.yellow_trips") == 0
    assert database.value("select count(*) from tlc.loads") == 0
    assert database.value(TABLES) == 0

    output, errors = load_in_a_process(database, path).communicate(timeout=90)
    status, loaded = output.split()
    assert (status, errors) == ("loaded", "")
    assert database.value("select count(*) from tlc.yellow_trips") == int(loaded)
    rejected = database.value("select count(*) from tlc.rejected_trips")
    assert int(loaded) + rejected == rows


@pytest.mark.parametrize("force", [False, True])
def test_two_loads_of_one_month_at_once_give_it_once(loader, database, hold, force) -> None:
    loader.load(month_of(10, month=Month(2020, 11)), month="2020-11")  # the tables are there
    table = month_of(2_000)
    first_hold = hold(holds=True)
    first = loader.in_thread(table, hold=first_hold)
    assert first_hold.reached.wait(120)
    second = loader.in_thread(table, force=force)
    wait_until(lambda: database.query("select 1 from pg_locks where locktype = 'advisory' and not granted"))
    first_hold.go.set()

    assert first.result().status == "loaded"
    assert second.result().status == ("loaded" if force else "unchanged")
    assert database.value(COUNT + " where source_month = '2020-12-01'") == 2_000
    assert database.value("select count(*) from tlc.loads where month = '2020-12'") == (2 if force else 1)


@pytest.mark.parametrize("force", [False, True])
def test_load_that_waited_does_not_put_an_older_version_back(loader, database, hold, force) -> None:
    """The source publishes the month again: who looked before waits for who looked after, and finds it newer."""
    url, looked = "http://source/green_tripdata_2020-12.parquet", datetime(2024, 6, 1, tzinfo=UTC)
    loader.load(month_of(10, month=Month(2020, 11)), month="2020-11")  # the tables are there
    older, newer = month_of(300), month_of(400)
    newer_hold = hold(holds=True)
    second = loader.in_thread(newer, hold=newer_hold, source_url=url, started_at=looked + timedelta(seconds=1))
    assert newer_hold.reached.wait(120)
    first = loader.in_thread(older, force=force, source_url=url, started_at=looked)
    wait_until(lambda: database.query("select 1 from pg_locks where locktype = 'advisory' and not granted"))
    newer_hold.go.set()

    assert second.result().status == "loaded"
    with pytest.raises(NewerLoad, match=r"one that began later has put in version .* Run again"):
        first.result()
    assert database.value(COUNT + " where source_month = '2020-12-01'") == 400
    # Who looks later, at whatever version, replaces; and so does another source.
    assert loader.load(older, source_url=url, started_at=looked + timedelta(seconds=2)).rows_loaded == 300
    assert loader.load(newer, source_url="http://mirror/green.csv.gz", started_at=looked).rows_loaded == 400


def test_first_loads_into_an_empty_database_at_once(loader, database) -> None:
    months = [Month(2020, number) for number in range(1, 7)]
    running = [loader.in_thread(month_of(100, month=month), month=str(month)) for month in months]
    assert [one.result().status for one in running] == ["loaded"] * 6
    assert database.value(COUNT) == 600


def test_other_months_do_not_wait(loader, database) -> None:
    loader.load(month_of(100))
    holder = database.connect()
    with holder.cursor() as cursor:
        advisory_lock(cursor, "green 2020-12")
        assert loader.in_thread(month_of(50, month=Month(2020, 11)), month="2020-11").result(20).status == "loaded"
        waiting = loader.in_thread(month_of(70, seed=2))
        wait_until(lambda: database.query("select 1 from pg_locks where locktype = 'advisory' and not granted"))
        assert database.value(COUNT) == 150
    holder.rollback()
    holder.close()
    assert waiting.result().status == "loaded"
    assert database.value(COUNT) == 120


def test_reader_that_counts_all_the_time_sees_only_whole_months(loader, database) -> None:
    small, large = month_of(1_000, seed=1), month_of(4_000, seed=2)
    loader.load(small)
    seen: list[int] = []
    failures: list[Exception] = []
    stop = threading.Event()

    def count() -> None:
        connection = database.connect()
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not stop.is_set():
                try:
                    cursor.execute(COUNT)
                    seen.append(cursor.fetchone()[0])
                except psycopg2.Error as error:
                    failures.append(error)
        connection.close()

    readers = [threading.Thread(target=count) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for table in (large, small, large, small, large, small):
            loader.load(table, force=True, waiting=SHORT)
    finally:
        stop.set()
        for reader in readers:
            reader.join(60)
    assert failures == []
    assert set(seen) == {1_000, 4_000}
    assert len(seen) > 50


@pytest.mark.parametrize("read", ["tlc.green_trips", "tlc.green_trips_2020_12"], ids=["table", "partition"])
def test_swap_waits_for_a_long_reader_without_holding_up_others(loader, database, read) -> None:
    loader.load(month_of(500, seed=1))
    long_reader = database.connect()
    with long_reader.cursor() as cursor:
        cursor.execute(f"select count(*) from {read}")
        load = loader.in_thread(month_of(900, seed=2), waiting=SHORT)
        slowest, end = 0.0, time.monotonic() + 2.5
        while time.monotonic() < end:
            began = time.monotonic()
            assert database.value(COUNT) == 500
            slowest = max(slowest, time.monotonic() - began)
        assert load.thread.is_alive(), "the load did not wait"
        assert slowest < SHORT.lock + 1.0  # the rest is a busy machine's
        cursor.execute(f"select count(*) from {read}")
        assert cursor.fetchone()[0] == 500
    long_reader.rollback()
    long_reader.close()
    assert load.result().status == "loaded"
    assert database.value(COUNT) == 900


def test_new_month_needs_no_gap_between_readers(loader, database) -> None:
    loader.load(month_of(500))
    reader = database.connect()
    with reader.cursor() as cursor:
        cursor.execute(COUNT)
        report = loader.load(month_of(300, month=Month(2020, 11)), month="2020-11", waiting=LockTimeouts(0.2, 0.1, 0.1))
    reader.close()
    assert report.status == "loaded"
    assert database.value(COUNT) == 800


def test_busy_target_keeps_the_month_and_says_what_to_look_for(loader, database) -> None:
    loader.load(month_of(500, seed=1))
    reader = database.connect()
    with reader.cursor() as cursor:
        cursor.execute(COUNT)
        with pytest.raises(TargetBusy, match=r'"green_trips" was in use for 0 s .* pg_stat_activity.*as it was'):
            loader.load(month_of(900, seed=2), waiting=LockTimeouts(lock=0.1, pause=0.1, total=0.3))
    reader.close()
    assert database.value(COUNT) == 500
    assert database.value("select count(*) from tlc.loads") == 1
    assert database.value(TABLES) == 0
    loader.load(month_of(900, seed=2))
    assert database.value(COUNT) == 900


def test_backend_terminated_in_copy_is_target_unavailable(loader, database, hold) -> None:
    loader.load(month_of(500, seed=1))
    paused = hold(holds=True)
    load = loader.in_thread(month_of(900, seed=2), hold=paused)
    assert paused.reached.wait(120)
    [(pid,)] = wait_until(lambda: database.query(COPYING))
    database.query("select pg_terminate_backend(%s)", pid)
    paused.go.set()
    with pytest.raises(TargetUnavailable, match=r"went away.*as it was.*tlc-postgres"):
        load.result(30)
    assert database.value(COUNT) == 500
    assert database.value(TABLES) == 0
    assert loader.load(month_of(900, seed=2)).status == "loaded"


class OwnError(Exception):
    pass


def test_error_of_the_producer_comes_out_as_it_is_and_nothing_is_loaded(loader, database, hold) -> None:
    loader.load(month_of(500, seed=1))
    with pytest.raises(OwnError, match=r"^the file broke$"):
        loader.load(month_of(900, seed=2), hold=hold(fails_with=OwnError("the file broke")))
    assert database.value(COUNT) == 500
    assert database.value("select count(*) from tlc.loads") == 1
    assert [thread.name for thread in threading.enumerate() if thread.name == "encode-batches"] == []


def test_error_of_the_progress_bar_is_not_blamed_on_postgres(loader, database) -> None:
    def on_progress(_fraction: float) -> None:
        raise OwnError("no server for the bar")

    with pytest.raises(OwnError, match=r"^no server for the bar$"):
        loader.load(month_of(900), on_progress=on_progress)
    assert database.value(COUNT) == 0


def test_rejected_rows_and_trips_become_visible_together(loader, database, hold) -> None:
    dirty = make_month(Dataset.green, Month(2020, 12), 3_000)
    first = loader.load(dirty)
    paused = hold(batch_rows=2_990, holds=True)
    load = loader.in_thread(month_of(900, seed=2), hold=paused)
    assert paused.reached.wait(120)
    time.sleep(0.2)
    both = "select (select count(*) from tlc.green_trips), (select count(*) from tlc.rejected_trips)"
    assert database.query(both) == [(first.rows_loaded, first.rows_rejected)]
    paused.go.set()
    load.result()
    assert database.query(both) == [(900, 0)]


def test_column_added_by_another_load_meanwhile_does_not_fail_this_one(loader, database, hold) -> None:
    loader.load(month_of(100, month=Month(2020, 10)), month="2020-10")
    paused = hold(holds=True)
    slow = loader.in_thread(month_of(900), hold=paused)
    assert paused.reached.wait(120)
    new = month_of(200, month=Month(2020, 11)).append_column("Surprise", pa.array([1] * 200))
    loader.load(new, month="2020-11", new_columns="keep")
    paused.go.set()
    assert slow.result().status == "loaded"
    assert database.query("select count(*), count(surprise) from tlc.green_trips") == [(1_200, 200)]


def test_load_that_commits_while_the_ledger_is_read_does_not_make_its_month_incomplete(loader, database) -> None:
    """Between any two of the reader's statements: it sees all of the load, or nothing."""
    loader.load(month_of(100))
    months = iter([Month(2020, number) for number in range(1, 12)])

    class BesiegedCursor(psycopg2.extensions.cursor):
        def execute(self, statement, values=None):
            super().execute(statement, values)
            month = next(months)
            Running(lambda: loader.load(month_of(10, month=month), month=str(month))).result()

    connection = psycopg2.connect(database.url, cursor_factory=BesiegedCursor)
    found = current_loads(connection, Dataset.green)
    connection.close()
    assert found["2020-12"].is_intact
    assert [month for month, standing in found.items() if not standing.is_intact] == []
    assert next(months) > Month(2020, 2), "nothing came in between"
