"""A month's trips as events, in the order of their pickups, at a multiple of real time, with odd ones if asked for."""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

import duckdb
import pyarrow as pa

from flows.decide.stream import Disorder, ReplayReport
from flows.load.stream.broker import TopicWriter
from flows.tlc.dataset import Dataset
from flows.tlc.month import Month
from flows.tlc.schema import schema_of

_EPOCH = datetime(1970, 1, 1)
_LATE, _OUT_OF_ORDER = 3600.0, 60.0
# Shorter waits cost more than they are worth.
_SHORTEST_WAIT = 0.005
# Rows made into JSON at a time: more take more memory, and no less time.
_JSON_ROWS = 2_000
# Events between two looks at what the broker took, and at whether the run was cancelled.
_LOOK_EVERY = 1_000


class TripEvent(NamedTuple):
    """One trip: when to send it and its pickup, in seconds from 1970; its number in the month; its JSON."""

    due: float
    pickup: float
    number: int
    zone: str
    trip: str


@dataclass(frozen=True)
class Replay:
    """What is replayed: a month of one version, which its events' identities begin with."""

    dataset: Dataset
    month: Month
    version: str
    speed: float
    disorder: Disorder
    limit: int | None = None


def send_trips(
    writer: TopicWriter,
    replay: Replay,
    batches: Iterable[pa.RecordBatch],
    report: ReplayReport,
    on_progress: Callable[[int], None] = lambda _trips: None,
) -> None:
    """Send the trips of ``batches``, which are in order; ``report`` counts them, ``on_progress`` gets their number.

    Raises BrokerUnavailable, and what ``batches`` raises.
    """
    events: Iterator[TripEvent] = islice(trip_events(replay.dataset, batches), replay.limit)
    if replay.disorder:
        events = in_disorder(events, replay.disorder, report)
    clock, sent = _Clock(replay), 0
    for sent, event in enumerate(events, start=1):
        while (wait := clock.seconds_until(event.due)) > _SHORTEST_WAIT:
            writer.wait(min(wait, 0.5))
            on_progress(sent)
        identity = f'"event_id":"{replay.version}-{event.number:09d}"'
        sent_at = time.time_ns() // 1_000_000
        head = f'{{{identity},"sent_at":{sent_at},"dataset":"{replay.dataset}",'
        # Kafka takes 0 and less for no time at all, and refuses times to come, which some meters have: of 2098 even.
        at = max(min(int(event.pickup * 1000), sent_at), 1)
        writer.send((head + event.trip[1:]).encode(), event.zone, at)
        if sent % _LOOK_EVERY == 0:
            writer.wait(0)
            on_progress(sent)
    writer.finish()
    report.trips = sent - report.doubled


def trip_events(dataset: Dataset, batches: Iterable[pa.RecordBatch]) -> Iterator[TripEvent]:
    """The trips as events, numbered from 1."""
    schema, db = schema_of(dataset), duckdb.connect(config={"threads": 1})
    pickup, zone = schema.role("pickup"), schema.role("pickup_zone")
    assert pickup and zone, "every dataset has both"
    number = 0
    for batch in batches:
        times = batch.column(pickup.name).cast(pa.timestamp("us")).view(pa.int64()).to_pylist()
        zones = batch.column(zone.name).to_pylist()
        for microseconds, at, trip in zip(times, zones, _as_json(db, batch), strict=True):
            number += 1
            seconds = microseconds / 1e6
            yield TripEvent(seconds, seconds, number, "" if at is None else str(at), trip)


def _as_json(db: duckdb.DuckDBPyConnection, batch: pa.RecordBatch) -> list[str]:
    """Each row as a JSON object: times as texts, null for what is missing."""
    fields = ", ".join(f"'{name}': \"{name}\"" for name in batch.schema.names)
    texts = []
    for start in range(0, batch.num_rows, _JSON_ROWS):
        db.register("trips", batch.slice(start, _JSON_ROWS))
        texts += db.sql(f"select to_json({{{fields}}}) from trips").to_arrow_table().column(0).to_pylist()  # noqa: S608
        db.unregister("trips")
    return texts


def in_disorder(events: Iterable[TripEvent], disorder: Disorder, report: ReplayReport) -> Iterator[TripEvent]:
    """The events with some held back and some twice, the same ones each time; ``report`` counts them."""
    dice = random.Random(0)  # noqa: S311 - no secret
    held: list[TripEvent] = []  # a heap: those of the last hour
    for event in events:
        while held and held[0].due <= event.due:
            yield heapq.heappop(held)
        kind = dice.random()
        if kind < disorder.late:
            report.late += 1
            heapq.heappush(held, event._replace(due=event.due + _LATE))
        elif kind < disorder.late + disorder.out_of_order:
            report.out_of_order += 1
            heapq.heappush(held, event._replace(due=event.due + dice.random() * _OUT_OF_ORDER))
        else:
            yield event
        if dice.random() < disorder.doubled:
            report.doubled += 1
            yield event
    while held:
        yield heapq.heappop(held)


class _Clock:
    """When an event is due. Times beyond the month, of meters with a wrong clock, count as its beginning or end."""

    def __init__(self, replay: Replay):
        self._speed = replay.speed
        bounds = replay.month.start, replay.month.plus(1).start
        self._first, self._last = ((moment - _EPOCH) / timedelta(seconds=1) for moment in bounds)
        self._begun: tuple[float, float] | None = None

    def seconds_until(self, due: float) -> float:
        if not self._speed:
            return 0.0
        due = min(max(due, self._first), self._last)
        if self._begun is None:
            self._begun = time.monotonic(), due
        begun, first = self._begun
        return begun + (due - first) / self._speed - time.monotonic()
