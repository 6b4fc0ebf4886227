"""Is what a target has of a month still what the source has? Pure decisions."""

from __future__ import annotations

from typing import Literal

from flows.decide.new_months import same_version
from flows.decide.plan import LoadedMonth, SourceVersion
from flows.decide.reconcile.observed import source_of
from flows.tlc.dataset import Dataset
from flows.tlc.identity import MonthRequest
from flows.tlc.month import Month

Freshness = Literal["current", "other rules", "behind the lake", "stale", "incomplete", "not at source", "not compared"]
MEANING: dict[Freshness, str] = {
    "current": "It has the file that the source has now, conformed as it would be today.",
    "other rules": "It has the source's file, conformed otherwise than today by default: with drop_rules, or by an "
    "earlier version of the schema or the rules.",
    "behind the lake": "The lake has the month anew since the warehouse was loaded from it.",
    "stale": "The source has published the month again since it was loaded.",
    "incomplete": "The ledger has the load, but not all of its rows are there any more.",
    "not at source": "The source does not have the month (any more).",
    "not compared": "The source was not asked, or cannot tell its version.",
}


def freshness_of(
    found: LoadedMonth, at_source: SourceVersion | None, *, asked: bool = True, lake: LoadedMonth | None = None
) -> Freshness:
    """How a month in a target compares with the source; ``lake`` is what the lake has of it, for a load from there.

    ``at_source`` is None if the source does not have the month, or was not ``asked``.
    """
    if not found.is_intact:
        return "incomplete"
    if asked and at_source is None:
        return "not at source"
    if at_source is None or at_source.identity is None or found.report.source_etag is None:
        return "not compared"
    request = MonthRequest(Dataset(found.report.dataset), Month.parse(found.report.month), source_of(found.report))
    if not same_version(request, found, at_source):
        return "stale"
    if lake is not None and lake.content_key != found.content_key:
        return "behind the lake"
    return "current" if found.content_key == request.content_key(at_source.identity) else "other rules"
