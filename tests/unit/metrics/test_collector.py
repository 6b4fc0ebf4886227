"""The page's promises: no part keeps it from answering, and nothing on it is older than it may be."""

from __future__ import annotations

import logging
import threading
import time

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


def test_values_count_as_long_as_the_part_says() -> None:
    source = Source()
    kept = PartsCollector([Part("runs", source, 600)])
    assert page(kept) == page(kept) == UP | late(1)
    assert source.reads == 1
    anew = PartsCollector([Part("runs", source, 0.05)])
    assert page(anew) == UP | late(2)
    time.sleep(0.05)  # the values' own time
    assert page(anew) == UP | late(3)


def test_a_part_that_fails_leaves_its_values_out_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    source, other = Source(), Source("report")
    collector = PartsCollector([Part("runs", source, 0.05), Part("disk", other, 600)])
    assert page(collector)[("tlc_up", "runs")] == 1
    source.error = ConnectionError("nobody\nanswers")
    time.sleep(0.05)
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
    begun = time.monotonic()
    assert page(collector) == page(collector) == DOWN
    assert time.monotonic() - begun < 4
    assert source.asked.is_set()
    assert source.reads == 1
    source.answers.set()
    for thread in threading.enumerate():
        if thread.name == "read runs":
            thread.join(30)
    assert page(collector) == UP | late(1)
    assert source.reads == 1
