"""What a broker of another kind than the tests' own says, and what is sent to it."""

from __future__ import annotations

import time
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka import Uuid

from flows.decide.stream import Disorder, ReplayReport
from flows.load.stream import broker as kafka
from flows.load.stream.broker import Broker, TopicWriter
from flows.load.stream.replay import Replay, send_trips
from flows.tlc.dataset import Dataset
from flows.tlc.errors import BrokerUnavailable, StreamError
from flows.tlc.month import Month
from flows.tlc.schema import schema_of


def test_broker_without_topics_ids_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class OldAdmin:
        topic_id = Uuid(0, 0)

        def describe_topics(self, _topics: object, **_options: object) -> dict[str, OldAdmin]:
            return {"x": self}

        def result(self) -> OldAdmin:
            return self

    monkeypatch.setattr(Broker, "_admin", OldAdmin())
    with pytest.raises(StreamError, match=r"needs Kafka 2\.8 or later") as caught:
        Broker("old:9092").topic_id("x")
    assert type(caught.value) is StreamError  # which is not retried


def test_events_that_are_still_queued_at_the_end_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = TopicWriter(Broker("127.0.0.1:1"), "x")  # nobody listens there
    writer.send(b"{}", "", 1)
    monkeypatch.setattr(kafka, "_DELIVERY_SECONDS", -1.0)
    with pytest.raises(BrokerUnavailable, match="1 events are not sent"):
        writer.finish()


def test_events_times_are_of_1970_till_now() -> None:
    class Times:
        def __init__(self) -> None:
            self.sent: list[int] = []

        def send(self, _value: bytes, _key: str, timestamp: int) -> None:
            self.sent.append(timestamp)

        def finish(self) -> None:
            pass

    schema = schema_of(Dataset.green).arrow
    year = 365 * 24 * 3600 * 1_000_000
    rows: list[dict[str, Any]] = [{"lpep_pickup_datetime": at * year} for at in (-1, 50, 128)]
    trips = pa.table({field.name: pa.array([row.get(field.name) for row in rows], field.type) for field in schema})
    times, before = Times(), time.time_ns() // 1_000_000
    replay = Replay(Dataset.green, Month(2020, 12), "version", 0, Disorder())
    send_trips(times, replay, trips.to_batches(), ReplayReport(dataset="green", month="2020-12", topic="x"))  # type: ignore[arg-type]
    assert times.sent[:2] == [1, 50 * year // 1000]
    assert before <= times.sent[2] <= time.time_ns() // 1_000_000
