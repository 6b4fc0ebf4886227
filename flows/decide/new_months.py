"""Which months ``sync_new_months`` asks the source for, and loads: those that are new, and those published again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import pairwise

from flows.decide.plan import LoadedMonth, LoadedMonths, MonthPlan, SourceVersion, plans_of
from flows.decide.reconcile.observed import asked_again
from flows.tlc.dataset import Dataset
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import month_file_name
from flows.tlc.month import Month, months_between
from flows.tlc.report import Target

# A month comes 1.5 to 4 months after its end, so the newest published one is among so many.
RECENT_MONTHS = 6


def months_to_ask_for(
    loaded: LoadedMonths, *, first: Month, newest: Month, start: Month | None = None, recheck: int
) -> list[Month]:
    """The months that are worth a request, oldest first.

    New ones: after the newest month of each target that has any (if none has, the last ``RECENT_MONTHS``), or from
    ``start`` on. Of the loaded ones the ``recheck`` newest, which may have been published again; and the short gaps
    between those, left by months that failed while a later one did not. ``first`` is the dataset's first month,
    ``newest`` the last one that can be out.
    """
    of_targets = sorted({Month.parse(month) for months in loaded.values() for month in months})
    ends = [max(map(Month.parse, months)) for months in loaded.values() if months]
    begin = start or (min(ends).plus(1) if ends else newest.plus(1 - RECENT_MONTHS))
    asked = set(months_between(max(begin, first), newest))
    rechecked = of_targets[-recheck:] if recheck > 0 else []
    gaps = [
        set(months_between(before.plus(1), after.plus(-1)))
        for before, after in pairwise(rechecked)
        if after <= before.plus(RECENT_MONTHS)  # a longer gap is intended
    ]
    return sorted(asked.union(rechecked, *gaps))


def requests_by_target(
    dataset: Dataset, month: Month, loaded: LoadedMonths, targets: Collection[Target]
) -> dict[MonthRequest, list[Target]]:
    """How the month is to be loaded, and into which of ``targets``: as before, or by default if it was not loaded.

    The warehouse follows the lake, which has to be among ``loaded``.
    """
    asked: dict[MonthRequest, list[Target]] = {}
    for target in targets:
        found = loaded["gcs" if target == "bigquery" else target].get(str(month))
        request = asked_again(found.report) if found else MonthRequest(dataset, month)
        asked.setdefault(request, []).append(target)
    return asked


def plans_of_new_months(
    dataset: Dataset,
    targets: Collection[Target],
    ledgers: LoadedMonths,
    at_source: Mapping[Month, SourceVersion | None],
    *,
    start: Month | None = None,
) -> list[MonthPlan]:
    """What there is to do for the months that the source was asked for, in their order.

    ``ledgers`` are of ``targets`` and of those that they follow. A month whose targets have it cleaned in different
    ways has a plan for each way.
    """
    plans = [
        plan
        for month in at_source
        for request, those in requests_by_target(dataset, month, ledgers, targets).items()
        for plan in plans_of([request], those, ledgers, at_source, layouts=(), same_version=same_version)
    ]
    loaded = {target: ledgers[target] for target in targets}
    wanted = newest_only([plan.request.month for plan in plans if plan.at_source], loaded, start)
    return [plan for plan in plans if plan.at_source is None or plan.request.month in wanted]


def first_not_out(months: Mapping[Month, bool]) -> Month | None:
    """The first month not published yet of those asked for (True: published); withdrawn months do not count."""
    newest = max((month for month, is_out in months.items() if is_out), default=None)
    waited_for = [month for month, is_out in months.items() if not is_out and (newest is None or month > newest)]
    return min(waited_for, default=None)


def newest_only(months: Collection[Month], loaded: LoadedMonths, start: Month | None) -> set[Month]:
    """The published months to load: all, or only the last if nothing was ever loaded and no ``start`` is given.

    Otherwise a first run without a ``start`` would load years of history.
    """
    if start is not None or any(loaded.values()):
        return set(months)
    return {max(months)} if months else set()


def same_version(request: MonthRequest, found: LoadedMonth, at_source: SourceVersion) -> bool:
    """Whether the target has the source's version of the month, or one that was loaded from elsewhere on purpose.

    How it was conformed does not count: a changed rule is nothing new at the source, and is for ``backfill``.
    """
    own = found.report.source_url.endswith(month_file_name(request.dataset, request.month, request.source))
    return not own or found.report.source_etag == at_source.identity
