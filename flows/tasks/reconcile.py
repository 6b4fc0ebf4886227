"""The tasks of reconciling: control sums of months in each target and at the source, compared month by month."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prefect import task

from flows.decide.plan import LoadedMonths
from flows.decide.reconcile.compare import compare_month
from flows.decide.reconcile.observed import CheckSource, MonthAtSource, MonthInTarget, dropped_rules, source_of
from flows.decide.reconcile.result import MonthComparison
from flows.load.lake.totals import LakeMonth
from flows.tasks.control_sums import months_at_source, sums_in_lake, sums_in_postgres, sums_in_warehouse, sums_of_file
from flows.tasks.month_file import DownloadedMonth
from flows.tasks.policy import RETRY_TRANSIENT
from flows.tasks.source import download_month, find_month
from flows.tlc.dataset import Dataset, Source
from flows.tlc.identity import MonthRequest
from flows.tlc.month import Month
from flows.tlc.report import LoadReport, Target
from flows.tlc.totals import Totals
from flows.ui.report import ProgressBar


@dataclass(frozen=True)
class Scope:
    """What is compared: ``months`` in order, in these targets, with the source as ``check_source`` says."""

    dataset: Dataset
    months: tuple[Month, ...]
    targets: tuple[Target, ...]
    check_source: CheckSource


@task(name="sum-in-postgres", task_run_name="sum {dataset} {first}..{last} in Postgres", **RETRY_TRANSIENT)
def sum_in_postgres(dataset: Dataset, first: Month, last: Month) -> dict[str, Totals]:
    """The control sums of each month that Postgres has rows of."""
    return sums_in_postgres(dataset, first, last)


@task(name="sum-in-warehouse", task_run_name="sum {dataset} {first}..{last} in the warehouse", **RETRY_TRANSIENT)
def sum_in_warehouse(dataset: Dataset, first: Month, last: Month) -> dict[str, Totals]:
    """The control sums of each month that the warehouse has rows of."""
    return sums_in_warehouse(dataset, first, last)


@task(name="sum-in-lake", task_run_name="sum {dataset} {month} in the lake", **RETRY_TRANSIENT)
def sum_in_lake(dataset: Dataset, month: Month) -> LakeMonth | None:
    """The control sums of each layout of the month; None if the lake does not have it."""
    return sums_in_lake(dataset, month)


@task(name="look-at-source", task_run_name="look at {dataset} at {source}", **RETRY_TRANSIENT)
def look_at_source(dataset: Dataset, source: Source, months: Sequence[Month]) -> dict[str, MonthAtSource]:
    """What the source says of each month's file, without a download."""
    bar = ProgressBar(f"Asking {source} for {len(months)} months of {dataset}")
    return months_at_source(dataset, source, months, bar.update)


@task(
    name="sum-source-file",
    task_run_name="sum {month.request.dataset} {month.request.month} at {month.request.source}",
    **RETRY_TRANSIENT,
)
def sum_source_file(month: DownloadedMonth, dropped: Collection[frozenset[str]]) -> MonthAtSource:
    """What loading the file would come to, for each set of rules that drop rows."""
    return sums_of_file(month, dropped)


def compare_months(scope: Scope, ledgers: LoadedMonths, months: Sequence[Month]) -> dict[str, MonthComparison]:
    """Compare these months of the scope, one after the other, by month (YYYY-MM)."""
    if not months:
        return {}
    tables = _sum_tables(scope, months)
    sources = _look_at_sources(scope, ledgers, months)
    bar = ProgressBar(f"Comparing {len(months)} months of {scope.dataset}")
    found = {}
    for done, month in enumerate(months, start=1):
        places = list(_places(scope, ledgers, tables, month))
        seen = {source: by_month[str(month)] for source, by_month in sources.items() if str(month) in by_month}
        if scope.check_source == "sums":
            seen = {source: _with_sums(scope, month, source, places, at) for source, at in seen.items()}
        found[str(month)] = compare_month(scope.dataset, month, places, seen)
        bar.update(done / len(months))
    return found


def _sum_tables(scope: Scope, months: Sequence[Month]) -> dict[Target, dict[str, Totals]]:
    first, last = min(months), max(months)
    tables: dict[Target, dict[str, Totals]] = {}
    if "postgres" in scope.targets:
        tables["postgres"] = sum_in_postgres(scope.dataset, first, last)
    if "bigquery" in scope.targets:
        tables["bigquery"] = sum_in_warehouse(scope.dataset, first, last)
    return tables


def _places(
    scope: Scope, ledgers: LoadedMonths, tables: Mapping[Target, Mapping[str, Totals]], month: Month
) -> Iterator[MonthInTarget]:
    for target in scope.targets:
        loaded = ledgers[target].get(str(month))
        if target == "gcs":
            yield from _lake_places(sum_in_lake(scope.dataset, month) if loaded else None)
        else:
            yield MonthInTarget(target, target, loaded.report if loaded else None, tables[target].get(str(month)))


def _lake_places(found: LakeMonth | None) -> Iterator[MonthInTarget]:
    if found is None:
        yield MonthInTarget("gcs", "gcs")
    elif not found.layouts:  # every row of it was rejected
        yield MonthInTarget("gcs", "gcs", found.load)
    else:
        for layout in found.layouts:
            yield MonthInTarget(f"gcs {layout.layout}", "gcs", found.load, layout.totals, layout.damage)


def _look_at_sources(
    scope: Scope, ledgers: LoadedMonths, months: Sequence[Month]
) -> dict[Source, dict[str, MonthAtSource]]:
    """Each source that a load of these months is from; TLC's for the months that no target has."""
    if scope.check_source == "none":
        return {}
    wanted: dict[Source, list[Month]] = {}
    for month in months:
        loads = [by_month[str(month)].report for by_month in ledgers.values() if str(month) in by_month]
        for source in dict.fromkeys(map(source_of, loads)) or [Source.tlc]:
            wanted.setdefault(source, []).append(month)
    return {source: look_at_source(scope.dataset, source, of_it) for source, of_it in wanted.items()}


def _with_sums(
    scope: Scope, month: Month, source: Source, places: Sequence[MonthInTarget], seen: MonthAtSource
) -> MonthAtSource:
    """The same with the sums of the source's file, which is downloaded unless the cache has it."""
    loads: list[LoadReport] = [place.load for place in places if place.load and source_of(place.load) is source]
    if not seen.published or not loads:
        return seen
    found = find_month(MonthRequest(scope.dataset, month, source))
    if found is None:
        return MonthAtSource(published=False)
    return sum_source_file(download_month(found), list(dict.fromkeys(map(dropped_rules, loads))))
