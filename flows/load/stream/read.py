"""A topic into Postgres, micro-batch by micro-batch, until its end, until it is idle, or until a time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import psycopg2.extensions
import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import Message

from flows.decide.stream import StreamReport, Until
from flows.load.postgres.errors import postgres_errors
from flows.load.stream.broker import Broker, TopicReader
from flows.load.stream.decode import MOST_BYTES, decode
from flows.load.stream.tables import ensure_tables
from flows.load.stream.write import (
    Position,
    RejectedEvent,
    StreamBatch,
    forget_positions,
    read_positions,
    write_batch,
)
from flows.tlc.dataset import Dataset
from flows.tlc.errors import ParameterError, TopicChanged
from flows.transform.events import EVENT_ID, SENT_AT, EventCounts, EventTrips, Rejected, conform_events

# Events written at once, some 2 MB, or those of so many seconds.
BATCH_EVENTS = 2_500
BATCH_SECONDS = 0.25


def read_topic(
    connection: psycopg2.extensions.connection,
    broker: Broker,
    topic: str,
    until: Until,
    report: StreamReport,
    *,
    from_start: bool = False,
    on_batch: Callable[[StreamReport], None] = lambda _report: None,
) -> None:
    """Load the topic's events into ``tlc_stream.trips``, from where the last run ended. ``report`` counts them.

    Commits each micro-batch, and counts it then; ``on_batch`` is called after each, and some times a second while none
    comes. Raises ParameterError if there is no such topic, TopicChanged if it is not the one that was read before,
    StreamError if the broker tells no topics' ids, BrokerUnavailable, and what Postgres raises.
    """
    with postgres_errors("what was not committed is read again"):
        ensure_tables(connection)
        if from_start:
            forget_positions(connection, topic)
        places = read_positions(connection, topic)
        partitions = broker.partitions(topic)
        if not partitions:
            raise _missing(broker, topic, places)
        topic_id = broker.topic_id(topic)
        heard = time.monotonic()
        with TopicReader(broker, topic, partitions) as reader:
            _start(reader, topic, topic_id, places)
            while True:
                messages = reader.read(BATCH_EVENTS, BATCH_SECONDS)
                # Asked after the events came and before they are written: all of them are of this topic, and no other.
                if broker.topic_id(topic) != topic_id:
                    raise _changed(topic)
                if messages:
                    heard = time.monotonic()
                    written = _write(connection, topic, topic_id, messages, places, report)
                    places = written or read_positions(connection, topic)
                    if written is None:  # another run has read them
                        _start(reader, topic, topic_id, places)
                report.events_behind = reader.events_behind(_offsets(places))
                on_batch(report)
                idle = time.monotonic() - heard
                if until.is_reached(at_end=reader.at_end, idle_seconds=idle, now=datetime.now(UTC)):
                    return


def _start(reader: TopicReader, topic: str, topic_id: str, places: Mapping[int, Position]) -> None:
    if any(place.topic_id != topic_id for place in places.values()):
        raise _changed(topic)
    reader.start(_offsets(places))


def _offsets(places: Mapping[int, Position]) -> dict[int, int]:
    return {partition: place.next_offset for partition, place in places.items()}


def _write(
    connection: psycopg2.extensions.connection,
    topic: str,
    topic_id: str,
    messages: Sequence[Message],
    places: Mapping[int, Position],
    report: StreamReport,
) -> dict[int, Position] | None:
    """Write the events, and count them; the positions from then on, or None if another run has written them."""
    rejected: Rejected = {}
    counts = EventCounts()
    fields = decode([message.value() for message in messages], rejected)
    of_events = _of_events(topic, topic_id, messages, fields)
    found = list(conform_events(fields, rejected, counts, _named_in(topic)))
    batch = StreamBatch(
        topic,
        topic_id,
        [_with_event(each, of_events) for each in found],
        [
            _rejected(of_events, position, messages[position].value(), *why)
            for position, why in sorted(rejected.items())
        ],
        dict(zip(of_events["partition"].to_pylist(), pc.add(of_events["event_offset"], 1).to_pylist(), strict=True)),
    )
    loaded = write_batch(connection, batch, places)
    if loaded is None:
        return None
    report.status = "read"
    report.events_read += len(messages)
    report.rows_loaded += loaded
    report.rows_doubled += sum(each.trips.num_rows for each in found) - loaded
    report.rows_rejected += len(rejected)
    report.rejected_by_rule = _sum(report.rejected_by_rule, Counter(rule for rule, _ in rejected.values()))
    report.rows_flagged += counts.rows_flagged
    report.flagged_by_rule = _sum(report.flagged_by_rule, counts.flagged)
    report.batches += 1
    report.lag_seconds = max(report.lag_seconds, round(_lag(fields), 3))
    return {**places, **{partition: Position(place, topic_id) for partition, place in batch.next_offsets.items()}}


def _sum(before: dict[str, int], more: Counter[str]) -> dict[str, int]:
    return dict(Counter(before) + more)


def _of_events(topic: str, topic_id: str, messages: Sequence[Message], fields: pa.RecordBatch) -> pa.RecordBatch:
    """What the table has of each event beside its trip. One that says no identity has its place as such."""
    partitions = pa.array([message.partition() for message in messages], pa.int32())
    offsets = pa.array([message.offset() for message in messages], pa.int64())
    ids = pc.binary_join_element_wise(topic_id, partitions.cast(pa.string()), offsets.cast(pa.string()), "-")
    return pa.record_batch(
        {
            "topic": pa.repeat(topic, len(messages)),
            "partition": partitions,
            "event_offset": offsets,
            "event_id": pc.coalesce(fields.column(EVENT_ID), ids),
        }
    )


def _with_event(found: EventTrips, of_events: pa.RecordBatch) -> pa.RecordBatch:
    event = of_events.take(found.positions)
    dataset = pa.repeat(str(found.dataset), event.num_rows)
    return pa.RecordBatch.from_arrays(
        [*event.columns, dataset, *found.trips.columns],
        [*event.schema.names, "dataset", *found.trips.schema.names],
    )


def _rejected(of_events: pa.RecordBatch, row: int, value: bytes | None, rule: str, detail: str | None) -> RejectedEvent:
    partition, offset = (of_events[name][row].as_py() for name in ("partition", "event_offset"))
    text = (value or b"")[:MOST_BYTES].decode("utf-8", "backslashreplace")
    return RejectedEvent(partition, offset, rule, detail and _without_nul(detail), _without_nul(text))


def _without_nul(text: str) -> str:
    return text.replace("\x00", "\\u0000")  # Postgres' text has none


def _lag(fields: pa.RecordBatch) -> float:
    """Seconds since the first of the events was sent, if they say when."""
    sent = fields.column(SENT_AT).to_pylist() if SENT_AT in fields.schema.names else []
    times = [at for at in sent if isinstance(at, int) and at > 0]
    return time.time() - min(times) / 1000 if times else 0.0


def _named_in(topic: str) -> Dataset | None:
    """The dataset that the topic's name ends with, as ``tlc.trips.green``: that of events which do not say theirs."""
    last = topic.rpartition(".")[2]
    return Dataset(last) if last in list(Dataset) else None


def _missing(broker: Broker, topic: str, places: Mapping[int, Position]) -> Exception:
    if places:
        return _changed(topic)
    return ParameterError(f"the broker {broker.address} has no topic {topic!r}: replay_trips makes one.")


def _changed(topic: str) -> TopicChanged:
    return TopicChanged(
        f"{topic} is not the topic that was read before: its broker was emptied, as one that keeps events in memory is "
        "when it ends, or the topic was made anew. What was read is in tlc_stream.trips, what was not is gone: send it "
        "again with replay_trips, then read the topic with from_start=True. No event with an event_id is loaded twice."
    )
