"""A month's trips as events, in the order of their pickups, at a multiple of real time, with odd ones if asked for."""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import pyarrow as pa

from flows.decide.stream import Disorder, ReplayReport
from flows.load.stream.broker import TopicWriter
from flows.load.stream.json_events import JsonEvents
from flows.tlc.dataset import Dataset
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.month import Month
from flows.tlc.schema import schema_of

_EPOCH = datetime(1970, 1, 1)
_LATE, _OUT_OF_ORDER = 3600.0, 60.0
# Shorter waits cost more than they are worth.
_SHORTEST_WAIT = 0.005
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


def ordered_select(dataset: Dataset, limit: int | None) -> str:
    """The lake's query for a month's trips by pickup; those of one second always in the same order.

    So each trip has the same number in every replay of the same rows, whatever their order in the lake.
    """
    pickup, names = _pickup(dataset), ", ".join(schema_of(dataset).names)
    table = trips_table(dataset)
    first = f" limit {limit:d}" if limit else ""
    return f"select {names} from {SCHEMA}.{table} order by {pickup}, hash({names}){first}"  # noqa: S608


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
    events = trip_events(replay.dataset, batches)
    if replay.disorder:
        events = in_disorder(events, replay.disorder, report)
    clock = _Clock(replay)
    for sent, event in enumerate(events, start=1):
        while (wait := clock.seconds_until(event.due)) > _SHORTEST_WAIT:
            writer.wait(min(wait, 0.5))
            on_progress(sent)
        identity = f'"event_id":"{replay.version}-{event.number:09d}"'
        head = f'{{{identity},"sent_at":{time.time_ns() // 1_000_000},"dataset":"{replay.dataset}",'
        # Kafka takes 0 and less for no time at all.
        writer.send((head + event.trip[1:]).encode(), event.zone, max(int(event.pickup * 1000), 1))
        if sent % _LOOK_EVERY == 0:
            writer.wait(0)
            on_progress(sent)
        report.trips = max(report.trips, event.number)
    writer.finish()


def trip_events(dataset: Dataset, batches: Iterable[pa.RecordBatch]) -> Iterator[TripEvent]:
    """The trips as events, numbered from 1."""
    schema, events = schema_of(dataset), JsonEvents()
    pickup, zone = _pickup(dataset), schema.role("pickup_zone")
    assert zone is not None, "every dataset has a pickup zone"
    number = 0
    for batch in batches:
        times = batch.column(pickup).cast(pa.timestamp("us")).view(pa.int64()).to_pylist()
        zones = batch.column(zone.name).to_pylist()
        for microseconds, at, trip in zip(times, zones, events.encode(batch), strict=True):
            number += 1
            seconds = microseconds / 1e6
            yield TripEvent(seconds, seconds, number, "" if at is None else str(at), trip)


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


def _pickup(dataset: Dataset) -> str:
    column = schema_of(dataset).role("pickup")
    assert column is not None, "every dataset has a pickup time"
    return column.name
