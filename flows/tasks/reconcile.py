"""The tasks of reconciling: control sums of months in each system and at the source. The work stands elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import httpx
from prefect import task

from blocks.settings import Settings
from flows.decide.plan import LoadedMonth
from flows.decide.reconcile.compare import compare_month
from flows.decide.reconcile.observed import CheckSource, MonthAtSource, MonthInTarget, dropped_rules, source_of
from flows.decide.reconcile.result import MonthComparison
from flows.extract.download.download import Downloaded, SourceFile, cached_version, find_files
from flows.extract.read.parquet_footer import read_footer
from flows.load.lake import totals as lake_totals
from flows.load.lake.totals import LakeMonth
from flows.load.postgres import totals as postgres_totals
from flows.tasks.connect import open_lake, open_warehouse, postgres_connected
from flows.tasks.policy import RETRY_TRANSIENT, discarding_damaged, with_context, with_month_context
from flows.tasks.source import download_month, find_month
from flows.tasks.sources import http_client, opened, source_block
from flows.tlc.dataset import Dataset, Source
from flows.tlc.errors import NotTripFile, SourceChanged
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import manifest_object, month_path, probe_path
from flows.tlc.month import Month
from flows.tlc.report import LoadReport, Target
from flows.tlc.schema import schema_of
from flows.tlc.totals import Totals
from flows.transform.conform import plan_file
from flows.transform.stream import TripStream
from flows.transform.totals import sum_trips
from flows.ui.report import ProgressBar

Ledgers = Mapping[Target, Mapping[str, LoadedMonth]]


@dataclass(frozen=True)
class Scope:
    """What is compared: ``months`` in order, at least one, in these targets, with the source as far as it is asked."""

    dataset: Dataset
    months: tuple[Month, ...]
    targets: tuple[Target, ...]
    check_source: CheckSource


@task(name="sum-in-postgres", task_run_name="sum {dataset} {first}..{last} in Postgres", **RETRY_TRANSIENT)
def sum_in_postgres(dataset: Dataset, first: Month, last: Month) -> dict[str, Totals]:
    """The control sums of each month that Postgres has rows of."""
    with with_context(str(dataset)), postgres_connected() as connection:
        return postgres_totals.sum_months(connection, dataset, first, last)


@task(name="sum-in-warehouse", task_run_name="sum {dataset} {first}..{last} in the warehouse", **RETRY_TRANSIENT)
def sum_in_warehouse(dataset: Dataset, first: Month, last: Month) -> dict[str, Totals]:
    """The control sums of each month that the warehouse has rows of."""
    with with_context(str(dataset)):
        return open_warehouse().sum_months(dataset, first, last)


@task(name="sum-in-lake", task_run_name="sum {dataset} {month} in the lake", **RETRY_TRANSIENT)
def sum_in_lake(dataset: Dataset, month: Month) -> LakeMonth | None:
    """The control sums of each layout of the month; None where the lake does not have it."""
    request = MonthRequest(dataset, month)
    with with_month_context(request):
        lake = open_lake()
    with with_month_context(request, f"{lake.url}/{manifest_object(dataset, month)}"):
        return lake_totals.sum_month(lake, dataset, month)


@task(name="look-at-source", task_run_name="look at {dataset} at {source}", **RETRY_TRANSIENT)
def look_at_source(dataset: Dataset, source: Source, months: Sequence[Month]) -> dict[str, MonthAtSource]:
    """What the source says of each month's file: a HEAD each, and of Parquet the last kilobytes; no download."""
    block, cache_dir = source_block(source), Settings().cache_dir
    bar = ProgressBar(f"Asking {source} for {len(months)} months of {dataset}")
    urls = [block.url(month_path(dataset, month, source)) for month in months]
    seen = {}
    with with_context(str(dataset)), http_client() as client:
        files = find_files(client, urls, block.url(probe_path(dataset, source)))
        for done, (month, file) in enumerate(zip(months, files, strict=True), start=1):
            if file is None:
                seen[str(month)] = MonthAtSource(published=False)
                continue
            seen[str(month)] = _look_at_file(client, dataset, source, file, cached_version(file, cache_dir))
            bar.update(done / len(months))
    return seen


def _look_at_file(
    client: httpx.Client, dataset: Dataset, source: Source, file: SourceFile, identity: str | None
) -> MonthAtSource:
    """What the file's footer says; one that is no trip file is told, and stops no other month."""
    if source is not Source.tlc:
        return MonthAtSource(True, identity)
    try:
        return MonthAtSource(True, identity, read_footer(client, file, schema_of(dataset)))
    except (NotTripFile, SourceChanged) as error:
        return MonthAtSource(True, identity, trouble=error.message)


@task(
    name="sum-source-file", task_run_name="sum {request.dataset} {request.month} at {request.source}", **RETRY_TRANSIENT
)
def sum_source_file(
    request: MonthRequest, file: SourceFile, downloaded: Downloaded, dropped: Collection[frozenset[str]]
) -> MonthAtSource:
    """What loading the file would come to, for each set of rules that drop rows; a pass over it for each."""
    schema, rows, conformed, etags = schema_of(request.dataset), 0, {}, set()
    for rules in dropped or [frozenset[str]()]:
        with (
            with_month_context(request, file.url),
            discarding_damaged(downloaded),
            opened(file, downloaded) as (trip_file, version),
        ):
            etags.add(version.etag)
            if len(etags) > 1:
                raise SourceChanged(f"{file.where} was published anew while it was added up. Run again.")
            conformer = plan_file(trip_file, replace(request, new_columns="keep"))
            trips = TripStream(trip_file, conformer, lambda _rejected: None, rules, max_unloadable_share=1.0)
            conformed[rules] = sum_trips(schema, trips)
            rows = trips.counts.rows_read
    return MonthAtSource(True, version.etag, Totals(rows), conformed)


def compare_months(scope: Scope, ledgers: Ledgers, months: Sequence[Month]) -> dict[str, MonthComparison]:
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
    scope: Scope, ledgers: Ledgers, tables: Mapping[Target, Mapping[str, Totals]], month: Month
) -> Iterator[MonthInTarget]:
    for target in scope.targets:
        standing = ledgers[target].get(str(month))
        if target == "gcs":
            yield from _lake_places(sum_in_lake(scope.dataset, month) if standing else None)
        else:
            yield MonthInTarget(target, target, standing.report if standing else None, tables[target].get(str(month)))


def _lake_places(found: LakeMonth | None) -> Iterator[MonthInTarget]:
    if found is None:
        yield MonthInTarget("gcs", "gcs")
    elif not found.layouts:  # every row of it was rejected
        yield MonthInTarget("gcs", "gcs", found.load)
    else:
        for layout in found.layouts:
            yield MonthInTarget(f"gcs {layout.layout}", "gcs", found.load, layout.totals, layout.damage)


def _look_at_sources(scope: Scope, ledgers: Ledgers, months: Sequence[Month]) -> dict[Source, dict[str, MonthAtSource]]:
    """Each source that a load of these months is of; TLC's for the months that nobody has."""
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
    request = MonthRequest(scope.dataset, month, source)
    file = find_month(request)
    if file is None:
        return MonthAtSource(published=False)
    return sum_source_file(request, file, download_month(request, file), list(dict.fromkeys(map(dropped_rules, loads))))
