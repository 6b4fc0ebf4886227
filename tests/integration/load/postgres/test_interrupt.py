"""What is raised in the main thread during a COPY (Ctrl-C, SIGTERM, a timeout) stops it, and comes out as itself."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import psycopg2
import pyarrow as pa
import pytest
from psycopg2 import sql

from blocks.postgres import CONNECT_ARGS
from flows.load.postgres import copy as postgres_copy
from flows.load.postgres.copy import copy_batches
from flows.load.postgres.errors import postgres_errors, transaction
from flows.tlc.errors import TargetUnavailable
from tests.servers.postgres_process import open_folder, running_postgres
from tests.servers.third_party import programs_path

SCHEMA = pa.schema([("number", pa.int32())])


class Stopped(BaseException):
    """What the signal's handler raises, as Prefect's does."""


def _endless() -> Iterator[pa.RecordBatch]:
    batch = pa.record_batch([pa.array(range(10_000), pa.int32())], schema=SCHEMA)
    while True:
        yield batch


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGALRM, signal.SIGINT, signal.SIGTERM])
def test_signal_in_the_middle_of_a_copy_ends_it_and_loads_nothing(database, number: signal.Signals) -> None:
    def stop(*_: object) -> None:
        raise Stopped

    before = signal.signal(number, stop)
    connection = database.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("create table numbers (number int)")
            connection.commit()
            if number == signal.SIGALRM:
                signal.setitimer(signal.ITIMER_REAL, 0.5)
            pieces = iter(range(1_000_000))

            def raise_it() -> None:
                if next(pieces) == 50 and number != signal.SIGALRM:
                    signal.raise_signal(number)

            with pytest.raises(Stopped), postgres_errors():
                copy_batches(cursor, sql.Identifier("numbers"), SCHEMA, _endless(), on_piece=raise_it)
        connection.rollback()
    finally:
        signal.signal(number, before)
        connection.close()
    assert database.value("select count(*) from numbers") == 0
    assert database.value("select count(*) from pg_stat_activity where query ilike 'copy%%' and state = 'active'") == 0


@pytest.mark.timeout(60)
@pytest.mark.parametrize("stopped_by", ["signal", "asking"])
def test_server_that_hangs_in_a_copy_is_hung_up_on(database, monkeypatch, stopped_by: str) -> None:
    """The backend is there and takes nothing: neither may a timeout wait for it, nor come out as Postgres' failure.

    In the main thread a signal tells; in others, the load asks whether it is to stop.
    """
    monkeypatch.setattr(postgres_copy, "BREAK_OFF_SECONDS", 1.0)

    def stop(*_: object) -> None:
        raise Stopped

    before = signal.signal(signal.SIGALRM, stop)
    connection = database.connect()
    backend = connection.info.backend_pid
    try:
        with connection.cursor() as cursor:
            cursor.execute("create table numbers (number int)")
            connection.commit()
        pieces = iter(range(1_000_000))
        hung: list[float] = []

        def hang() -> None:
            if next(pieces) == 50:
                os.kill(backend, signal.SIGSTOP)
                hung.append(time.monotonic())
                if stopped_by == "signal":
                    signal.setitimer(signal.ITIMER_REAL, 0.5)
            if hung and stopped_by == "asking" and time.monotonic() > hung[0] + 3:
                stop()

        with pytest.raises(Stopped), postgres_errors(), transaction(connection), connection.cursor() as cursor:
            copy_batches(cursor, sql.Identifier("numbers"), SCHEMA, _endless(), on_piece=hang)
        assert [thread.name for thread in threading.enumerate() if thread.name == "copy"] == []
    finally:
        signal.signal(signal.SIGALRM, before)
        os.kill(backend, signal.SIGCONT)
        connection.close()
    assert database.value("select count(*) from numbers") == 0


@pytest.mark.timeout(90)
def test_connection_to_a_server_that_takes_nothing_more_ends_by_itself() -> None:
    """As the block makes it, but for the seconds; over TCP, whose peer answers although the backend does not."""
    with open_folder() as folder, running_postgres(folder, programs_path(folder), "tests") as place:
        connection = psycopg2.connect(f"postgresql://{place}", **CONNECT_ARGS | {"tcp_user_timeout": 3_000})
        backend = connection.info.backend_pid
        pieces = iter(range(1_000_000))

        def hang() -> None:
            if next(pieces) == 50:
                os.kill(backend, signal.SIGSTOP)

        try:
            with pytest.raises(TargetUnavailable, match="out of reach or went away"), postgres_errors():  # noqa: SIM117
                with transaction(connection), connection.cursor() as cursor:
                    cursor.execute("create table numbers (number int)")
                    copy_batches(cursor, sql.Identifier("numbers"), SCHEMA, _endless(), on_piece=hang)
        finally:
            os.kill(backend, signal.SIGCONT)
            connection.close()
