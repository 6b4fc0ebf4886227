"""The tasks of planning: what each target has loaded, what the source has now, and so what there is to do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from prefect import task

from blocks.settings import Settings
from flows.decide.new_months import months_to_ask_for, plans_of_new_months
from flows.decide.plan import LoadedMonth, LoadedMonths, MonthPlan, SourceVersion, and_followed, plans_of
from flows.extract.download import SourceFile, cached_version, find_files
from flows.tasks.connect import http_client, open_lake, open_warehouse, postgres_connected, source_block
from flows.tasks.policy import RETRY_TRANSIENT, with_context
from flows.tlc.dataset import Dataset, Source, dataset_info
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import LAYOUTS, Layout, month_path, probe_path
from flows.tlc.month import Month
from flows.tlc.report import TARGETS, Target


@task(name="ask-source", task_run_name="ask the source for {dataset}", **RETRY_TRANSIENT)
def ask_source(dataset: Dataset, source: Source, months: Sequence[Month]) -> dict[Month, SourceVersion | None]:
    """The version of each month that the source has now, or None if it is not published."""
    return versions_at_source(dataset, source, months)


@task(name="read-ledgers", task_run_name="read the ledgers of {dataset}", **RETRY_TRANSIENT)
def read_ledgers(dataset: Dataset, targets: Collection[Target] = TARGETS) -> LoadedMonths:
    """The months that each target has loaded, by target and month (YYYY-MM)."""
    return loaded_months(dataset, targets)


def versions_at_source(dataset: Dataset, source: Source, months: Sequence[Month]) -> dict[Month, SourceVersion | None]:
    """The version of each month that the source has now, or None if it is not published: a HEAD each, few at a time."""
    block = source_block(source)
    probe_url = block.url(probe_path(dataset, source))
    urls = [block.url(month_path(dataset, month, source)) for month in months]
    with with_context(str(dataset)), http_client() as client:
        found = find_files(client, urls, probe_url)
    cache_dir = Settings().cache_dir

    def version_of(file: SourceFile) -> SourceVersion:
        return SourceVersion(cached_version(file, cache_dir), file.length)

    return {month: version_of(file) if file else None for month, file in zip(months, found, strict=True)}


def loaded_months(dataset: Dataset, targets: Collection[Target] = TARGETS) -> LoadedMonths:
    """The months that each target has loaded, by target and month (YYYY-MM)."""
    with with_context(str(dataset)):
        return {target: _LEDGERS[target](dataset) for target in TARGETS if target in targets}


def _in_postgres(dataset: Dataset) -> dict[str, LoadedMonth]:
    from flows.load.postgres.month import current_loads  # noqa: PLC0415 - only if it is a target

    with postgres_connected() as connection:
        return current_loads(connection, dataset)


def _in_lake(dataset: Dataset) -> dict[str, LoadedMonth]:
    from flows.load.lake.month import current_loads  # noqa: PLC0415 - only if it is a target

    return current_loads(open_lake(), dataset)


def _in_warehouse(dataset: Dataset) -> dict[str, LoadedMonth]:
    return open_warehouse().read_loads(dataset)


_LEDGERS: dict[Target, Callable[[Dataset], dict[str, LoadedMonth]]] = {
    "postgres": _in_postgres,
    "gcs": _in_lake,
    "bigquery": _in_warehouse,
}


def plan_months(
    requests: Sequence[MonthRequest],
    targets: Collection[Target],
    *,
    layouts: Collection[Layout] = LAYOUTS,
    force: bool = False,
) -> list[MonthPlan]:
    """What there is to do for each month, all of one dataset and source; only reads ledgers and asks the source."""
    if not requests:
        return []
    first = requests[0]
    ledgers = read_ledgers(first.dataset, and_followed(targets))
    at_source = ask_source(first.dataset, first.source, [request.month for request in requests])
    return plans_of(requests, targets, ledgers, at_source, layouts=layouts, force=force)


def plan_new_months(
    dataset: Dataset, targets: Collection[Target], *, start: Month | None, newest: Month, recheck: int
) -> list[MonthPlan]:
    """What is new at TLC's site: months that came out, months published again, and the first ones not out yet."""
    ledgers = read_ledgers(dataset, and_followed(targets))
    loaded = {target: ledgers[target] for target in targets}
    first, _ = dataset_info(dataset).span(Source.tlc)
    months = months_to_ask_for(loaded, first=first, newest=newest, start=start, recheck=recheck)
    at_source = ask_source(dataset, Source.tlc, months) if months else {}
    return plans_of_new_months(dataset, targets, ledgers, at_source, start=start)
