"""The page's promises: no part keeps it from answering, and nothing on it is older than it may be."""

from __future__ import annotations

import logging
import threading

import pytest

from deployments.metrics.collector import PartsCollector
from deployments.metrics.parts import Part
from deployments.metrics.samples import LATE_RUNS, Sample


class Source:
    """A part's source: counts how often it is read, and answers as told."""

    def __init__(self, deployment: str = "backfill") -> None:
        self.deployment = deployment
        self.reads = 0
        self.error: Exception | None = None
        self.answers = threading.Event()
        self.answers.set()
        self.asked = threading.Event()

    def __call__(self) -> list[Sample]:
        self.reads += 1
        self.asked.set()
        self.answers.wait()
        if self.error:
            raise self.error
        return [LATE_RUNS.sample(self.reads, self.deployment)]


def page(collector: PartsCollector) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in collector.collect()
        for sample in family.samples
        if sample.name != "tlc_read_timestamp_seconds"
    }


UP = {("tlc_up", "runs"): 1.0}
DOWN = {("tlc_up", "runs"): 0.0}


def late(number: int, deployment: str = "backfill") -> dict[tuple[str, ...], float]:
    return {("tlc_late_runs", deployment): float(number)}


class Clock:
    """Stands until it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def ended(part: str = "runs") -> None:
    """Wait until what is being read is read."""
    for thread in threading.enumerate():
        if thread.name == f"read {part}":
            thread.join(60)


def test_values_are_read_anew_after_half_of_the_time_that_they_count() -> None:
    source, clock = Source(), Clock()
    collector = PartsCollector([Part("runs", source, 60)], clock=clock)
    assert page(collector) == page(collector) == UP | late(1)
    clock.now += 29
    assert page(collector) == UP | late(1)
    assert source.reads == 1
    clock.now += 1
    page(collector)
    ended()
    assert page(collector) == UP | late(2)
    assert source.reads == 2


def test_a_slow_part_leaves_no_gap_between_two_readings_and_nothing_old_stays() -> None:
    source, clock = Source(), Clock()
    collector = PartsCollector([Part("runs", source, 60)], wait=0.05, clock=clock)
    assert page(collector) == UP | late(1)
    source.answers.clear()
    clock.now += 59
    assert page(collector) == UP | late(1)  # while it is read anew
    clock.now += 1
    assert page(collector) == DOWN
    source.answers.set()
    ended()
    assert page(collector) == UP | late(2)


def test_a_part_that_fails_leaves_its_values_out_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    source, other, clock = Source(), Source("report"), Clock()
    collector = PartsCollector([Part("runs", source, 60), Part("disk", other, 600)], clock=clock)
    assert page(collector)[("tlc_up", "runs")] == 1
    source.error = ConnectionError("nobody\nanswers")
    clock.now += 60
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert page(collector) == DOWN | {("tlc_up", "disk"): 1.0} | late(1, "report")
    assert [record.getMessage() for record in caplog.records] == [
        "runs cannot be read: ConnectionError: nobody answers"
    ]
    source.error = None
    assert page(collector)[("tlc_up", "runs")] == 1


def test_a_part_that_hangs_keeps_no_page_waiting_and_is_read_by_one_thread() -> None:
    source = Source()
    source.answers.clear()
    collector = PartsCollector([Part("runs", source, 600)], wait=0.05)
    assert page(collector) == page(collector) == DOWN
    assert source.asked.is_set()
    assert source.reads == 1
    source.answers.set()
    ended()
    assert page(collector) == UP | late(1)
    assert source.reads == 1
