"""One month into several targets, one after the other: what `load_month` and `backfill` do for each month.

For each target this does what the flow of its name does, its tasks and artifacts included, without a flow run of its
own: that would cost a second a target, in which Prefect joins its heartbeat thread.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from prefect import get_run_logger

from flows.api_to_gcs import month_to_lake
from flows.api_to_postgres import month_to_postgres
from flows.decide.outcome import MonthOutcome, TargetOutcome
from flows.gcs_to_bigquery import month_to_warehouse
from flows.parameters import LayoutName, layouts_of
from flows.tasks.warehouse import warn_not_in_lake
from flows.tlc.errors import CheckFailed, SchemaError, SourceError, TooManyBadRows, TripLoadError
from flows.tlc.identity import MonthRequest
from flows.tlc.report import TARGETS, LoadReport, Target
from flows.ui.days import one_picture_a_month

# Errors that are the file's, whatever the target.
_OF_THE_FILE = (SourceError, SchemaError, TooManyBadRows, CheckFailed)


@dataclass(frozen=True)
class LoadOptions:
    """How months are to be loaded: into which targets, in which layout of the lake, and whether again."""

    targets: tuple[Target, ...]
    layout: LayoutName = "both"
    force: bool = False


@one_picture_a_month()
def load_targets(request: MonthRequest, options: LoadOptions, only: Collection[Target] = TARGETS) -> MonthOutcome:
    """Load the month into the targets of ``options`` that are in ``only``; the outcome has the error of each.

    If the file could not be downloaded or read, or too many of its rows cannot be loaded, the other target that needs
    it fails without being tried. The warehouse is skipped if the lake failed: it would load what the lake had before.
    """
    legs: dict[Target, TargetOutcome] = {}
    no_file: str | None = None
    for target in (target for target in TARGETS if target in options.targets and target in only):
        if target == "bigquery" and "gcs" in legs and legs["gcs"].status == "failed":
            legs[target] = TargetOutcome(target=target, status="skipped", sentence="the lake's load failed before it.")
        elif no_file is not None and target != "bigquery":
            legs[target] = TargetOutcome(target=target, status="failed", sentence=no_file)
        else:
            try:
                legs[target] = TargetOutcome.of(_load(target, request, options))
            except TripLoadError as error:  # any other error ends the run
                legs[target] = _failed(target, request, error)
                no_file = legs[target].sentence if isinstance(error, _OF_THE_FILE) else None
    _warn_if_only_lake_lacks(legs)
    return MonthOutcome(dataset=str(request.dataset), month=str(request.month), legs=list(legs.values()))


def _warn_if_only_lake_lacks(legs: dict[Target, TargetOutcome]) -> None:
    """Of a month that is not published either, the lake's lack says nothing."""
    lacking = [leg for leg in legs.values() if leg.status == "not_published"]
    if [leg.target for leg in lacking] == ["bigquery"] and lacking[0].report is not None:
        warn_not_in_lake(lacking[0].report)


def _failed(target: Target, request: MonthRequest, error: TripLoadError) -> TargetOutcome:
    get_run_logger().error("%s %s → %s: %s", request.dataset, request.month, target, error.message)
    return TargetOutcome(target=target, status="failed", sentence=error.message)


def _load(target: Target, request: MonthRequest, options: LoadOptions) -> LoadReport:
    match target:
        case "postgres":
            return month_to_postgres(request, force=options.force)
        case "gcs":
            return month_to_lake(request, layouts_of(options.layout), force=options.force)
        case "bigquery":
            return month_to_warehouse(request.dataset, request.month, force=options.force)
