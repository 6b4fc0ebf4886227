"""What is raised in the main thread during a COPY (Ctrl-C, SIGTERM, a timeout) stops it, and comes out as itself."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pyarrow as pa
import pytest
from psycopg2 import sql

from flows.load.postgres_copy import copy_batches
from flows.load.postgres_errors import postgres_errors

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
