"""The tasks of planning: what the source has, what stands in each target, and so what there is to do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from prefect import task

from blocks.settings import Settings
from flows.decide.new_months import LoadedMonths, asked_in_turn, months_to_ask_for, newest_only, same_version
from flows.decide.plan import LoadedMonth, MonthPlan, SameVersion, SourceVersion, plan_month
from flows.extract.download.download import SourceFile, cached_version, find_files
from flows.load.lake import month as lake_month
from flows.load.postgres import month as postgres
from flows.tasks.connect import open_lake, open_warehouse, postgres_connected
from flows.tasks.policy import RETRY_TRANSIENT, with_context
from flows.tasks.sources import http_client, source_block
from flows.tlc.catalogue import expected_size
from flows.tlc.dataset import Dataset, Source, dataset_info
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import LAYOUTS, Layout, month_path, probe_path
from flows.tlc.month import Month
from flows.tlc.report import TARGETS, Target


@task(name="ask-source", task_run_name="ask the source for {dataset}", **RETRY_TRANSIENT)
def ask_source(dataset: Dataset, source: Source, months: Sequence[Month]) -> dict[Month, SourceVersion | None]:
    """What the source has of each month now: None where it is not published. A HEAD each, few at a time."""
    block = source_block(source)
    probe_url = block.url(probe_path(dataset, source))
    urls = [block.url(month_path(dataset, month, source)) for month in months]
    with with_context(str(dataset)), http_client() as client:
        found = find_files(client, urls, probe_url)
    cache_dir = Settings().cache_dir

    def seen(file: SourceFile) -> SourceVersion:
        return SourceVersion(cached_version(file, cache_dir), file.length)

    return {month: seen(file) if file else None for month, file in zip(months, found, strict=True)}


def _in_postgres(dataset: Dataset) -> dict[str, LoadedMonth]:
    with postgres_connected() as connection:
        return postgres.current_loads(connection, dataset)


_LEDGERS: dict[Target, Callable[[Dataset], dict[str, LoadedMonth]]] = {
    "postgres": _in_postgres,
    "gcs": lambda dataset: lake_month.current_loads(open_lake(), dataset),
    "bigquery": lambda dataset: open_warehouse().read_loads(dataset),
}


@task(name="read-ledgers", task_run_name="read what stands of {dataset}", **RETRY_TRANSIENT)
def read_ledgers(dataset: Dataset, targets: Collection[Target] = TARGETS) -> dict[Target, dict[str, LoadedMonth]]:
    """The load of each month that stands, by target and month (YYYY-MM)."""
    with with_context(str(dataset)):
        return {target: _LEDGERS[target](dataset) for target in TARGETS if target in targets}


def plan_months(
    requests: Sequence[MonthRequest],
    targets: Collection[Target],
    *,
    layouts: Collection[Layout] = LAYOUTS,
    force: bool = False,
) -> list[MonthPlan]:
    """What there is to do for each month (all of one dataset and source); asks the source and the targets, no more."""
    if not requests:
        return []
    first = requests[0]
    ledgers = ledgers_for(first.dataset, targets)
    at_source = ask_source(first.dataset, first.source, [request.month for request in requests])
    return plans_of(requests, targets, ledgers, at_source, layouts=layouts, force=force)


def plans_of(
    requests: Sequence[MonthRequest],
    targets: Collection[Target],
    ledgers: LoadedMonths,
    at_source: Mapping[Month, SourceVersion | None],
    *,
    layouts: Collection[Layout] = LAYOUTS,
    force: bool = False,
    same_version: SameVersion | None = None,
) -> list[MonthPlan]:
    """What there is to do for each month, given what stands in the targets and what the source has."""
    return [
        plan_month(
            request,
            at_source[request.month],
            {target: months.get(str(request.month)) for target, months in ledgers.items()},
            targets,
            layouts=layouts,
            force=force,
            expected=expected_size(request.dataset, request.month),
            same_version=same_version,
        )
        for request in requests
    ]


def ledgers_for(dataset: Dataset, targets: Collection[Target]) -> LoadedMonths:
    """What stands in the targets, and in those that they follow."""
    return read_ledgers(dataset, and_followed(targets))


def and_followed(targets: Collection[Target]) -> set[Target]:
    """The targets, and the lake where the warehouse is one of them: it follows the lake."""
    return {*targets, "gcs"} if "bigquery" in targets else set(targets)


def plan_new_months(
    dataset: Dataset, targets: Collection[Target], *, start: Month | None, newest: Month, recheck: int
) -> list[MonthPlan]:
    """What a regular look at TLC's site finds: new months, months published again, and the first ones not out yet.

    A month that its targets have cleaned in different ways has a plan for each way.
    """
    ledgers = ledgers_for(dataset, targets)
    standing = {target: ledgers[target] for target in targets}
    first, _ = dataset_info(dataset).span(Source.tlc)
    asked = months_to_ask_for(standing, first=first, newest=newest, start=start, recheck=recheck)
    at_source = ask_source(dataset, Source.tlc, asked) if asked else {}
    plans = [
        plan
        for month in asked
        for request, those in asked_in_turn(dataset, month, ledgers, targets).items()
        for plan in plans_of([request], those, ledgers, at_source, layouts=(), same_version=same_version)
    ]
    wanted = newest_only([plan.request.month for plan in plans if plan.at_source], standing, start)
    return [plan for plan in plans if plan.at_source is None or plan.request.month in wanted]
