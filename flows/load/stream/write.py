"""One transaction a micro-batch: its trips, what it rejects, and how far the topic is read.

Why each event is in the table once, whatever is killed, and however many read or write the topic:
- Rows and offsets become visible by one commit. Who reads on, does so from the offsets in Postgres.
- Runs that read the same topic take turns by an advisory lock, and each looks first whether the offsets are still those
  from which it read: if not, another run has these events, and nothing is written.
- An event that was sent twice has the same ``event_id`` both times: the table's key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg2.extensions
import pyarrow as pa
from psycopg2 import sql
from psycopg2.extras import execute_values

from flows.load.postgres.copy import copy_batches
from flows.load.postgres.errors import transaction
from flows.load.postgres.locks import advisory_lock
from flows.load.stream.tables import OFFSETS, REJECTED, TRIPS

_ARRIVING = sql.Identifier("arriving_trips")


@dataclass(frozen=True)
class Position:
    """How far a partition is read, and of which topic of that name."""

    next_offset: int
    topic_id: str


@dataclass(frozen=True)
class RejectedEvent:
    """An event that is no trip, as text."""

    partition: int
    offset: int
    rule: str
    detail: str | None
    event: str


@dataclass(frozen=True)
class StreamBatch:
    """What is written at once: conformed trips with the columns of their events, by dataset."""

    topic: str
    topic_id: str
    trips: Sequence[pa.RecordBatch]
    rejected: Sequence[RejectedEvent]
    next_offsets: Mapping[int, int]


def read_positions(connection: psycopg2.extensions.connection, topic: str) -> dict[int, Position]:
    """How far each partition of the topic is read."""
    with transaction(connection), connection.cursor() as cursor:
        return _positions(cursor, topic)


def forget_positions(connection: psycopg2.extensions.connection, topic: str) -> None:
    """Have the topic be read from its start; the rows stay."""
    with transaction(connection), connection.cursor() as cursor:
        advisory_lock(cursor, _lock(topic))
        cursor.execute(sql.SQL("delete from {} where topic = %s").format(OFFSETS), (topic,))


def write_batch(
    connection: psycopg2.extensions.connection, batch: StreamBatch, expected: Mapping[int, Position]
) -> int | None:
    """Write the batch and commit; the number of rows that are new. None, and nothing written, if another run was here.

    ``expected`` are the positions from which its events were read.
    """
    with transaction(connection), connection.cursor() as cursor:
        advisory_lock(cursor, _lock(batch.topic))
        if _positions(cursor, batch.topic) != expected:
            return None
        rows = _insert_trips(cursor, batch.trips)
        _insert_rejected(cursor, batch)
        _write_positions(cursor, batch)
        return rows


def _lock(topic: str) -> str:
    return f"stream {topic}"


def _positions(cursor: psycopg2.extensions.cursor, topic: str) -> dict[int, Position]:
    cursor.execute(
        sql.SQL("select partition, next_offset, topic_id from {} where topic = %s").format(OFFSETS), (topic,)
    )
    return {partition: Position(next_offset, topic_id) for partition, next_offset, topic_id in cursor.fetchall()}


def _insert_trips(cursor: psycopg2.extensions.cursor, trips: Sequence[pa.RecordBatch]) -> int:
    """COPY takes rows as they are: they go through a table of this session, and doubled ones are left behind."""
    if not trips:
        return 0
    cursor.execute(
        sql.SQL("create temporary table if not exists {} (like {} including defaults) on commit delete rows").format(
            _ARRIVING, TRIPS
        )
    )
    for batch in trips:
        copy_batches(cursor, _ARRIVING, batch.schema, [batch])
    cursor.execute(sql.SQL("insert into {} select * from {} on conflict do nothing").format(TRIPS, _ARRIVING))
    return int(cursor.rowcount)


def _insert_rejected(cursor: psycopg2.extensions.cursor, batch: StreamBatch) -> None:
    if batch.rejected:
        rows = [
            (batch.topic, batch.topic_id, each.partition, each.offset, each.rule, each.detail, each.event)
            for each in batch.rejected
        ]
        execute_values(
            cursor,
            sql.SQL(
                "insert into {} (topic, topic_id, partition, event_offset, rule, detail, event) values %s "
                "on conflict do nothing"
            ).format(REJECTED),
            rows,
        )


def _write_positions(cursor: psycopg2.extensions.cursor, batch: StreamBatch) -> None:
    execute_values(
        cursor,
        sql.SQL(
            "insert into {} (topic, partition, next_offset, topic_id) values %s on conflict (topic, partition) "
            "do update set next_offset = excluded.next_offset, topic_id = excluded.topic_id, read_at = default"
        ).format(OFFSETS),
        [(batch.topic, partition, place, batch.topic_id) for partition, place in batch.next_offsets.items()],
    )
