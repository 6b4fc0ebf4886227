"""``python -m tests.benchmarks.whole_corpus``: on paper, how long all of TLC's months take. Nothing is loaded.

The months are those that the project's own plan has for empty targets, in its order, so many at a time; what each takes
follows from the catalogue's rows and bytes and from stored results. For docs/scale.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.decide.plan import MonthPlan, SourceVersion, plans_of
from flows.tlc.catalogue import catalogue_month, expected_size
from flows.tlc.dataset import Dataset, dataset_info
from flows.tlc.identity import MonthRequest
from flows.tlc.month import months_between
from flows.tlc.report import Target

_RESULTS = Path(__file__).parent / "results"
_ROWS = 3_000_000  # of the month that is measured
# US dollars, Google's list of 2026-11 for jobs and the least expensive regions: a vCPU and a GiB for a second.
_VCPU_SECOND, _GIB_SECOND = 0.000018, 0.000002
_JOB_VCPUS, _JOB_GIB = 2, 2


@dataclass(frozen=True)
class Scenario:
    """``at_once`` months: each waits ``before`` s, shares ``line`` bytes/s with the others, and loads at ``rows``/s."""

    name: str
    targets: tuple[Target, ...]
    at_once: int
    line: float
    rows: float
    before: float = 0.0

    def hours(self) -> float:
        """From the first month's begin to the last one's end, one dataset after another."""
        return sum(seconds_of(self, plans) for plans in corpus(self.targets)) / 3600

    def dollars(self) -> float:
        """Of Cloud Run jobs that work as long; the free tier left out."""
        seconds = self.hours() * 3600 * self.at_once
        return seconds * (_JOB_VCPUS * _VCPU_SECOND + _JOB_GIB * _GIB_SECOND)


def corpus(targets: Sequence[Target]) -> Iterator[list[MonthPlan]]:
    """Of each dataset what there is to do for targets that have nothing."""
    for dataset in Dataset:
        requests = [
            MonthRequest(dataset, month)
            for month in months_between(dataset_info(dataset).first_month, catalogue_month())
            if expected_size(dataset, month)
        ]
        at_source = {request.month: SourceVersion(f'"{request.month}"') for request in requests}
        yield plans_of(requests, targets, {target: {} for target in targets}, at_source)


def seconds_of(scenario: Scenario, plans: Sequence[MonthPlan]) -> float:
    """Step by step to the next moment at which a month gets further: begins, has its file, is loaded."""
    waiting = iter(plans)
    clock, under_way = 0.0, list[list[float]]()  # of each month: seconds before, bytes, seconds of loading
    while True:
        while len(under_way) < scenario.at_once and (plan := next(waiting, None)) is not None:
            under_way.append([scenario.before, float(plan.bytes or 0), (plan.rows or 0) / scenario.rows])
        if not under_way:
            return clock
        downloading = sum(1 for before, left, _ in under_way if before <= 0 and left > 0)
        share = scenario.line / max(1, downloading)
        step = min(before or (left / share if left else loading) for before, left, loading in under_way)
        clock += step
        for month in under_way:
            part, speed = (0, 1.0) if month[0] else (1, share) if month[1] else (2, 1.0)
            month[part] = _rest(month[part] - step * speed)
        under_way = [month for month in under_way if any(month)]


def _rest(left: float) -> float:
    return left if left > 1e-6 else 0.0


def _best(file: str, name: str) -> float:
    samples = json.loads((_RESULTS / file).read_text(encoding="utf-8"))["samples"][name]
    return float(min(sample["seconds"] for sample in samples))


def scenarios() -> list[Scenario]:
    """Those of docs/scale.md."""
    postgres, lake = _ROWS / _best("postgres.json", "flow"), _ROWS / _best("lake.json", "lake_in_bucket")
    backfill = json.loads((_RESULTS / "backfill.json").read_text(encoding="utf-8"))["results"]
    start = 5 + float(backfill["slower source, one worker"]["run"]["start of its process"])
    cloud: tuple[Target, ...] = ("gcs", "bigquery")
    return [
        Scenario("8 cores, Postgres on them, 25 MB/s", ("postgres",), 6, 25e6, postgres),
        Scenario("8 cores, Postgres on them, 100 MB/s", ("postgres",), 6, 100e6, postgres),
        Scenario("8 Cloud Run jobs, lake and BigQuery, 25 MB/s each", cloud, 8, 8 * 25e6, lake, start),
    ]


def main() -> None:
    """Print a line a scenario."""
    plans = [plan for of_dataset in corpus(("postgres",)) for plan in of_dataset]
    rows, size = sum(plan.rows or 0 for plan in plans), sum(plan.bytes or 0 for plan in plans)
    print(f"{len(plans)} months, {rows / 1e9:.2f} billion rows, {size / 1e9:.1f} GB")
    for one in scenarios():
        print(f"{one.name:52} {one.hours():6.2f} h   ${one.dollars():.2f}")


if __name__ == "__main__":
    main()
