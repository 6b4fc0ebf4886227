"""A topic of a broker that speaks Kafka's protocol, for writing and for reading from given offsets.

Nothing here depends on consumer groups, nor on the offsets that a broker lists: the one of a laptop (Tansu) names the
last batch's first event as the end. The end of a partition is where the broker says so while it is read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from time import monotonic
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
    Uuid,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from flows.tlc.errors import BrokerUnavailable, StreamError, TopicChanged

# Of a topic that a replay makes. A zone's events are in one partition, and so in order.
PARTITIONS = 4
# Its events have the times of their trips: by these Kafka would delete them as too old as soon as they came. And a
# broker that compacts by default would keep one trip a zone.
_TOPIC = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
# What a broker says that has no topics' ids.
_NO_ID = str(Uuid(0, 0))
_ANSWER_SECONDS = 10.0
# For how long the broker may be gone before an event counts as not delivered.
_DELIVERY_SECONDS = 30.0
# Events that wait to be sent, and to be read, in kB: more take memory, and no less time.
_SENDING_KB, _READING_KB = 4_096, 1_024
# The client logs each broken connection on stderr; here errors are raised.
_SILENT = logging.getLogger("flows.load.stream.client")
_SILENT.setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Broker:
    """A broker; ``settings`` are those of librdkafka beside the address, and may hold secrets."""

    address: str
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)

    def ensure_topic(self, topic: str) -> None:
        """Make the topic unless it is there."""
        with self.errors():
            wanted = NewTopic(topic, PARTITIONS, -1, config=_TOPIC)
            made = self._admin.create_topics([wanted], request_timeout=_ANSWER_SECONDS)
            try:
                made[topic].result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise

    def topic_id(self, topic: str) -> str:
        """What the topic is known by: another one of that name, or the same after its broker was emptied, differs.

        Raises StreamError if the broker does not tell.
        """
        with self.errors():
            asked = self._admin.describe_topics(TopicCollection([topic]), request_timeout=_ANSWER_SECONDS)
            found = str(asked[topic].result().topic_id)
        if found == _NO_ID:
            raise StreamError(
                f"the broker {self.address} tells no topic's id, without which an emptied topic is taken for the one "
                "that was read before: it needs Kafka 2.8 or later."
            )
        return found

    def partitions(self, topic: str) -> list[int]:
        """The numbers of its partitions; none if it is not there."""
        with self.errors():
            # All of them: asked for one by name, some brokers make it.
            found = self._admin.list_topics(timeout=_ANSWER_SECONDS).topics.get(topic)
        return sorted(found.partitions) if found else []

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise BrokerUnavailable for what goes wrong with the broker inside."""
        try:
            yield
        except (KafkaException, SystemError) as error:  # the second: a callback came after an error was raised
            said = error.args[0].str() if error.args and isinstance(error.args[0], KafkaError) else str(error)
            raise BrokerUnavailable(
                f"the broker {self.address} does not answer as it should ({said}). Look whether it runs, and at the "
                "block tlc-events (TLC_EVENTS_URL), and run again: no event is lost or loaded twice."
            ) from error

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient(self.config, logger=_SILENT)

    @property
    def config(self) -> dict[str, Any]:
        """The settings of a client."""
        return {"bootstrap.servers": self.address, "log_level": 0, **self.settings}


class TopicWriter:
    """Sends events to a topic, in their order, each once as long as this process lives."""

    def __init__(self, broker: Broker, topic: str):
        self._broker = broker
        self._topic = topic
        self._failed: KafkaError | None = None
        options = {
            "enable.idempotence": True,
            "linger.ms": 20,
            "compression.type": "lz4",
            "queue.buffering.max.kbytes": _SENDING_KB,
            "message.timeout.ms": int(_DELIVERY_SECONDS * 1000),
            "delivery.report.only.error": True,
            "on_delivery": self._note_failure,
        }
        self._producer = Producer(broker.config | options, logger=_SILENT)

    def send(self, value: bytes, key: str, timestamp: int) -> None:
        """Hand over an event; ``timestamp`` in milliseconds. Waits while too many wait to be sent."""
        while True:
            try:
                return self._producer.produce(self._topic, value, key, timestamp=timestamp)
            except BufferError:
                self.wait(0.005)
            except KafkaException:  # after one that it cannot get over
                with self._broker.errors():
                    raise

    def wait(self, seconds: float) -> None:
        """Let events go out meanwhile. Raises BrokerUnavailable if one could not be delivered."""
        deadline = monotonic() + seconds
        with self._broker.errors():
            self._producer.poll(0)
            while (left := deadline - monotonic()) > 0:
                self._producer.poll(min(left, 0.5))
            if self._failed is not None:
                raise KafkaException(self._failed)

    def finish(self) -> None:
        """Wait until the broker has all events. Raises BrokerUnavailable if it does not get them."""
        with self._broker.errors():
            left = self._producer.flush(_DELIVERY_SECONDS + 1)
        self.wait(0)
        with self._broker.errors():
            if left:
                raise KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT, f"{left:,} events are not sent"))

    def _note_failure(self, error: KafkaError | None, _message: Message) -> None:
        self._failed = self._failed or error


class TopicReader:
    """Reads a topic from offsets that the caller knows; a context, which closes the client."""

    def __init__(self, broker: Broker, topic: str, partitions: list[int]):
        self._broker = broker
        self._topic = topic
        self._partitions = partitions
        self._at_end: set[int] = set()
        options = {
            "group.id": "nyc-taxi-flows",  # the client wants one; it is not used
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 100,
            "queued.max.messages.kbytes": _READING_KB,
            "fetch.queue.backoff.ms": 10,
        }
        self._consumer = Consumer(broker.config | options, logger=_SILENT)

    def __enter__(self) -> TopicReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    @property
    def at_end(self) -> bool:
        """Whether each partition has been read to its end since ``start``."""
        return self._at_end.issuperset(self._partitions)

    def start(self, offsets: Mapping[int, int]) -> None:
        """Read on from the given offset of each partition, or from its beginning."""
        self._at_end.clear()
        with self._broker.errors():
            self._consumer.assign(
                [TopicPartition(self._topic, each, offsets.get(each, OFFSET_BEGINNING)) for each in self._partitions]
            )

    def read(self, most: int, seconds: float) -> list[Message]:
        """The next events, those that come within so many seconds.

        Raises TopicChanged if the broker does not have the events any more from which to read on.
        """
        with self._broker.errors():
            return [message for message in self._consumer.consume(most, seconds) if not self._is_notice(message)]

    def events_behind(self, positions: Mapping[int, int]) -> int:
        """How many events are behind these offsets, as far as the broker has said."""
        places = [TopicPartition(self._topic, each) for each in self._partitions]
        ends = (self._consumer.get_watermark_offsets(place, cached=True)[1] for place in places)
        return sum(max(end - positions.get(place.partition, 0), 0) for place, end in zip(places, ends, strict=True))

    def _is_notice(self, message: Message) -> bool:
        """Whether it is no event, but says that a partition is at its end."""
        error, partition = message.error(), message.partition()
        if error is None:
            return False
        if error.code() == KafkaError._PARTITION_EOF and partition is not None:
            self._at_end.add(partition)
            return True
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise TopicChanged(
                f"{self._topic} does not have the events any more from which to read on ({error.str()}): they were "
                "deleted before they were read. Replay them, or read what there is with from_start=True."
            )
        raise KafkaException(error)
