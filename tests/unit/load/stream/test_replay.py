"""How a replay puts events in disorder."""

from __future__ import annotations

from flows.decide.stream import Disorder, ReplayReport
from flows.load.stream.replay import TripEvent, in_disorder


def event(number: int) -> TripEvent:
    return TripEvent(number * 10.0, number * 10.0, number, "", "{}")


def test_disorder_is_counted_the_same_each_time_and_loses_nothing() -> None:
    disorder = Disorder(doubled=0.2, late=0.1, out_of_order=0.3)
    runs = []
    for _ in range(2):
        report = ReplayReport(dataset="green", month="2020-12", topic="t")
        runs.append(([each.number for each in in_disorder(map(event, range(2_000)), disorder, report)], report))
    (numbers, report), again = runs
    assert again == (numbers, report)
    assert set(numbers) == set(range(2_000))
    assert len(numbers) == 2_000 + report.doubled
    assert 300 < report.doubled < 500
    assert 150 < report.late < 250
    assert 500 < report.out_of_order < 700
    behind = [max(numbers[:place], default=0) - number for place, number in enumerate(numbers)]
    assert max(behind) == 359  # of ten seconds each: an hour
