"""The months in the targets, each compared with the source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flows.decide.freshness import Freshness, freshness_of
from flows.decide.plan import LoadedMonth, SourceVersion, and_followed
from flows.decide.reconcile.observed import source_of
from flows.tasks.plan import loaded_months, versions_at_source
from flows.tlc.dataset import Dataset, Source
from flows.tlc.month import Month
from flows.tlc.report import TARGETS, Target


@dataclass(frozen=True)
class ComparedLoad:
    """A month that is in a target, and how it compares with the source."""

    dataset: Dataset
    month: Month
    target: Target
    load: LoadedMonth
    freshness: Freshness


def compared_loads(
    datasets: Sequence[Dataset],
    targets: Sequence[Target],
    *,
    between: tuple[str | None, str | None] = (None, None),
    ask: bool = True,
) -> list[ComparedLoad]:
    """Every month that one of the targets has, by dataset, month and target; ``ask`` the source for its versions."""
    return [load for dataset in datasets for load in _of_dataset(dataset, targets, between, ask)]


def _of_dataset(
    dataset: Dataset, targets: Sequence[Target], between: tuple[str | None, str | None], ask: bool
) -> list[ComparedLoad]:
    ledgers = loaded_months(dataset, and_followed(targets))
    first, last = between[0] or "", between[1] or "9999"
    found = sorted(
        (month, TARGETS.index(target), target, load)
        for target in TARGETS
        if target in targets
        for month, load in ledgers[target].items()
        if first <= month <= last
    )
    at_source = _ask(dataset, [load for *_, load in found]) if ask else {}
    lake = ledgers.get("gcs", {})
    return [
        ComparedLoad(
            dataset,
            Month.parse(month),
            target,
            load,
            freshness_of(
                load,
                at_source.get((source_of(load.report), Month.parse(month))),
                asked=ask,
                lake=lake.get(month) if target == "bigquery" else None,
            ),
        )
        for month, _, target, load in found
    ]


def _ask(dataset: Dataset, loads: Sequence[LoadedMonth]) -> Mapping[tuple[Source, Month], SourceVersion | None]:
    """What each source has now of the months that were loaded from it."""
    answers: dict[tuple[Source, Month], SourceVersion | None] = {}
    for source in Source:
        months = sorted({Month.parse(load.report.month) for load in loads if source_of(load.report) is source})
        if months:
            answers |= {(source, month): seen for month, seen in versions_at_source(dataset, source, months).items()}
    return answers
