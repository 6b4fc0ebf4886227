"""Which months a regular look at the source has to ask for: those that may be new, and those that may have changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import pairwise

from flows.decide.plan import LoadedMonth, SourceVersion
from flows.decide.reconcile.observed import asked_again
from flows.tlc.dataset import Dataset
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import month_file_name
from flows.tlc.month import Month, months_between
from flows.tlc.report import Target

# A month comes 1.5 to 4 months after its end, so where nothing is loaded yet the newest one is among so many.
RECENT_MONTHS = 6

LoadedMonths = Mapping[Target, Mapping[str, LoadedMonth]]


def months_to_ask_for(
    standing: LoadedMonths, *, first: Month, newest: Month, start: Month | None = None, recheck: int
) -> list[Month]:
    """The months that are worth a request, oldest first.

    New ones: after the newest month of each target that has any (where none has, the last ``RECENT_MONTHS``), or from
    ``start`` on. Of the loaded ones the ``recheck`` newest, which may have been published again; and between those the
    short gaps, which a month leaves that failed while a later one did not. ``first`` is the dataset's first month,
    ``newest`` the last one that can be out.
    """
    loaded = sorted({Month.parse(month) for months in standing.values() for month in months})
    ends = [max(map(Month.parse, months)) for months in standing.values() if months]
    begin = start or (min(ends).plus(1) if ends else newest.plus(1 - RECENT_MONTHS))
    asked = set(months_between(max(begin, first), newest))
    rechecked = loaded[-recheck:] if recheck > 0 else []
    gaps = [
        set(months_between(before.plus(1), after.plus(-1)))
        for before, after in pairwise(rechecked)
        if after <= before.plus(RECENT_MONTHS)  # a longer one is meant
    ]
    return sorted(asked.union(rechecked, *gaps))


def asked_in_turn(
    dataset: Dataset, month: Month, standing: LoadedMonths, targets: Collection[Target]
) -> dict[MonthRequest, list[Target]]:
    """How the month is to be loaded, and into which of ``targets``: as it was before, by default where it was not.

    The warehouse follows the lake, which is to be among ``standing``.
    """
    asked: dict[MonthRequest, list[Target]] = {}
    for target in targets:
        found = standing["gcs" if target == "bigquery" else target].get(str(month))
        request = asked_again(found.report) if found else MonthRequest(dataset, month)
        asked.setdefault(request, []).append(target)
    return asked


def first_not_out(months: Mapping[Month, bool]) -> Month | None:
    """The first month that is yet to come, of those asked for (True: published); one withdrawn long ago is none."""
    newest = max((month for month, is_out in months.items() if is_out), default=None)
    waited_for = [month for month, is_out in months.items() if not is_out and (newest is None or month > newest)]
    return min(waited_for, default=None)


def newest_only(months: Collection[Month], standing: LoadedMonths, start: Month | None) -> set[Month]:
    """Of the published months those to load: all, but where nothing was ever loaded and no ``start`` is given the last.

    Otherwise a first run without a word about history would load years of it.
    """
    if start is not None or any(standing.values()):
        return set(months)
    return {max(months)} if months else set()


def same_version(request: MonthRequest, found: LoadedMonth, at_source: SourceVersion) -> bool:
    """Whether the target has the source's version of the month, or one that somebody took from elsewhere on purpose.

    How it was conformed does not count: a changed rule is no news at the source, and for ``backfill`` to carry out.
    """
    own = found.report.source_url.endswith(month_file_name(request.dataset, request.month, request.source))
    return not own or found.report.source_etag == at_source.identity
