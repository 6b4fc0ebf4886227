"""What goes wrong while a run is under way: with its process, Postgres, DuckDB's file, the lake's disk, the cache."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

import duckdb
import psycopg2

from tests.chaos.faults import Step
from tests.e2e.platform import wait_for


def _signal_process(number: int) -> Callable[[Step], None]:
    def send(step: Step) -> None:
        assert step.run
        step.run.signal(number)

    return send


def _suspend(step: Step) -> None:
    assert step.run
    step.run.signal(signal.SIGSTOP)
    time.sleep(step.dice.uniform(0.1, 2))
    step.run.signal(signal.SIGCONT)


def _backends(step: Step, statement: str) -> None:
    with _connected(step) as cursor:
        cursor.execute(
            f"select {statement} from pg_stat_activity "
            "where pid <> pg_backend_pid() and backend_type = 'client backend'"
        )


def _freeze_backends(step: Step) -> None:
    with _connected(step) as cursor:
        cursor.execute(
            "select pid from pg_stat_activity where backend_type = 'client backend' and query ilike '%copy%'"
        )
        frozen = [pid for (pid,) in cursor.fetchall()]
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in frozen:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        time.sleep(step.dice.uniform(0.1, 2) if number == signal.SIGSTOP else 0)


def _hold(statement: str) -> Callable[[Step], None]:
    """In a transaction that somebody leaves open."""

    def hold(step: Step) -> None:
        with _connected(step) as cursor:
            cursor.execute("begin")
            cursor.execute(statement.format(dataset=step.dataset))
            time.sleep(step.dice.uniform(0.2, 3))

    return hold


def reset_database(url: str) -> bool:
    """Whether it has no settings of ours any more; it may be away."""
    with suppress(psycopg2.Error), _cursor(psycopg2.connect(url, connect_timeout=3)) as cursor:
        cursor.execute("set default_transaction_read_only = off")
        cursor.execute("alter database postgres reset all")
        return True
    return False


def _set_database(setting: str) -> Callable[[Step], None]:
    """For whoever connects in the next seconds."""

    def change(step: Step) -> None:
        with _connected(step) as cursor:
            cursor.execute(f"alter database postgres set {setting}")
        time.sleep(step.dice.uniform(0.2, 2))
        wait_for("the database has its settings again", lambda: reset_database(step.places.postgres))

    return change


def _no_room(step: Step) -> None:
    """Somebody else has all connections."""
    held = []
    try:
        while len(held) < 200:
            held.append(psycopg2.connect(step.places.postgres, connect_timeout=3))
    except psycopg2.Error:
        time.sleep(step.dice.uniform(0.2, 1.5))
    finally:
        for connection in held:
            connection.close()


def _hold_duckdb(step: Step) -> None:
    with suppress(duckdb.Error), closing(duckdb.connect(step.places.warehouse, read_only=True)):
        time.sleep(step.dice.uniform(0.2, 2))


def _damage_cache(step: Step) -> None:
    """A bit of a kept file flips, or it is cut, or it goes."""
    kept = sorted(step.places.cache.glob("*/*.parquet*"))
    with suppress(OSError, IndexError):
        file = step.dice.choice(kept)
        how = step.dice.choice(["gone", "cut", "flipped"])
        size = file.stat().st_size
        if how == "gone":
            file.unlink()
        elif how == "cut":
            os.truncate(file, step.dice.randint(0, size))
        elif size:
            with file.open("r+b") as opened:
                opened.seek(step.dice.randrange(size))
                byte = opened.read(1)
                opened.seek(-1, os.SEEK_CUR)
                opened.write(bytes([byte[0] ^ 1 << step.dice.randrange(8)]))


def _fill(place: str) -> Callable[[Step], None]:
    """The disk of the lake is full for some seconds."""

    def fill(step: Step) -> None:
        folder: Path = getattr(step.places, place)
        filler = folder / ".filler"
        try:
            with suppress(OSError), filler.open("wb", buffering=0) as file:
                while file.write(bytes(1 << 20)):
                    pass
            time.sleep(step.dice.uniform(0.2, 2))
        finally:
            filler.unlink(missing_ok=True)

    return fill


PLACES: dict[str, Callable[[Step], None]] = {
    "Ctrl-C": _signal_process(signal.SIGINT),
    "SIGTERM": _signal_process(signal.SIGTERM),
    "process suspended": _suspend,
    "connections reset": lambda step: _backends(step, "pg_terminate_backend(pid)"),
    "statements cancelled": lambda step: _backends(step, "pg_cancel_backend(pid)"),
    "database hangs": _freeze_backends,
    "reader holds the table": _hold("select 1 from tlc.{dataset}_trips limit 1"),
    "ledger locked": _hold("lock table tlc.loads in access exclusive mode"),
    "table locked": _hold("lock table tlc.{dataset}_trips in access exclusive mode"),
    "database read-only": _set_database("default_transaction_read_only = on"),
    "statement timeout": _set_database("statement_timeout = '30ms'"),
    "lock timeout": _set_database("lock_timeout = '10ms'"),
    "no connection free": _no_room,
    "DuckDB file open elsewhere": _hold_duckdb,
    "kept download damaged": _damage_cache,
    "disk of the lake full": _fill("lake"),
}


def begin(step: Step, name: str) -> threading.Thread:
    """At some moment of the run, in a thread."""
    delay = step.dice.uniform(0, 1.5)

    def happen() -> None:
        time.sleep(delay)
        with suppress(psycopg2.Error, FileNotFoundError, ProcessLookupError):
            PLACES[name](step)

    thread = threading.Thread(target=happen, daemon=True)
    thread.start()
    return thread


@contextmanager
def _cursor(connection: psycopg2.extensions.connection) -> Iterator[psycopg2.extensions.cursor]:
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        yield cursor


def _connected(step: Step) -> AbstractContextManager[psycopg2.extensions.cursor]:
    return _cursor(psycopg2.connect(step.places.postgres, connect_timeout=3))
