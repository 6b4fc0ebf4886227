"""Control sums of months: in each target, and at the source."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import httpx

from blocks.settings import Settings
from flows.decide.reconcile.observed import MonthAtSource
from flows.extract.download import SourceFile, cached_version, find_files
from flows.extract.read.parquet_footer import read_footer
from flows.load.lake.totals import LakeMonth, sum_month
from flows.load.postgres.totals import sum_months
from flows.tasks.connect import http_client, open_lake, open_warehouse, postgres_connected, source_block
from flows.tasks.month_file import DownloadedMonth
from flows.tasks.open_trips import open_trips
from flows.tasks.policy import with_context, with_month_context
from flows.tlc.dataset import Dataset, Source
from flows.tlc.errors import NotTripFile, SourceChanged
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import manifest_object, month_path, probe_path
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from flows.tlc.totals import Totals
from flows.transform.totals import sum_trips


def sums_in_postgres(dataset: Dataset, first: Month, last: Month) -> dict[str, Totals]:
    """The control sums of each month that Postgres has rows of."""
    with with_context(str(dataset)), postgres_connected() as connection:
        return sum_months(connection, dataset, first, last)


def sums_in_warehouse(dataset: Dataset, first: Month, last: Month) -> dict[str, Totals]:
    """The control sums of each month that the warehouse has rows of."""
    with with_context(str(dataset)):
        return open_warehouse().sum_months(dataset, first, last)


def sums_in_lake(dataset: Dataset, month: Month) -> LakeMonth | None:
    """The control sums of each layout of the month; None if the lake does not have it."""
    request = MonthRequest(dataset, month)
    with with_month_context(request):
        lake = open_lake()
    with with_month_context(request, f"{lake.url}/{manifest_object(dataset, month)}"):
        return sum_month(lake, dataset, month)


def months_at_source(
    dataset: Dataset, source: Source, months: Sequence[Month], on_progress: Callable[[float], None]
) -> dict[str, MonthAtSource]:
    """What the source says of each month's file: a HEAD each, and of Parquet the last kilobytes; no download."""
    block, cache_dir = source_block(source), Settings().cache_dir
    urls = [block.url(month_path(dataset, month, source)) for month in months]
    found = {}
    with with_context(str(dataset)), http_client() as client:
        files = find_files(client, urls, block.url(probe_path(dataset, source)))
        for done, (month, file) in enumerate(zip(months, files, strict=True), start=1):
            if file is None:
                found[str(month)] = MonthAtSource(published=False)
                continue
            found[str(month)] = _read_footer(client, dataset, source, file, cached_version(file, cache_dir))
            on_progress(done / len(months))
    return found


def _read_footer(
    client: httpx.Client, dataset: Dataset, source: Source, file: SourceFile, identity: str | None
) -> MonthAtSource:
    """What the file's footer says. For one that is no trip file the result says so; other months go on."""
    if source is not Source.tlc:
        return MonthAtSource(True, identity)
    try:
        return MonthAtSource(True, identity, read_footer(client, file, schema_of(dataset)))
    except (NotTripFile, SourceChanged) as error:
        return MonthAtSource(True, identity, trouble=error.message)


def sums_of_file(month: DownloadedMonth, dropped: Collection[frozenset[str]]) -> MonthAtSource:
    """What loading the file would come to, for each set of rules that drop rows; a pass over the file for each."""
    schema, rows, conformed, etags = schema_of(month.request.dataset), 0, {}, set()
    for rules in dropped or [frozenset[str]()]:
        request = replace(month.request, drop_rules=rules, new_columns="keep")
        with month.context(), open_trips(replace(month, request=request), max_unloadable_share=1.0) as (trips, version):
            etags.add(version.etag)
            if len(etags) > 1:
                raise SourceChanged(f"{month.file.where} was published anew while it was added up. Run again.")
            conformed[rules] = sum_trips(schema, trips)
            rows = trips.counts.rows_read
    return MonthAtSource(True, version.etag, Totals(rows), conformed)
