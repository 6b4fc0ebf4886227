"""The legs of a month, one after the other in the run under way: what `load_month` and `backfill` do for each month.

Each leg is the body of the flow of its name, its tasks and artifacts included, without a flow run of its own: that
would cost a second a leg, in which Prefect joins its heartbeat thread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from prefect import get_run_logger

from flows.api_to_gcs import api_to_gcs
from flows.api_to_postgres import api_to_postgres
from flows.decide.outcome import MonthOutcome, TargetOutcome
from flows.gcs_to_bigquery import gcs_to_bigquery
from flows.parameters import LayoutName
from flows.tlc.errors import SchemaError, SourceError, TooManyBadRows, TripLoadError
from flows.tlc.identity import MonthRequest
from flows.tlc.report import TARGETS, LoadReport, Target

# What the file is at fault for, whatever the target.
_OF_THE_FILE = (SourceError, SchemaError, TooManyBadRows)


@dataclass(frozen=True)
class LoadOptions:
    """How months are to be loaded: into which targets, in which layout of the lake, and whether again."""

    targets: tuple[Target, ...]
    layout: LayoutName = "both"
    force: bool = False


def load_targets(request: MonthRequest, choice: LoadOptions, only: Collection[Target] = TARGETS) -> MonthOutcome:
    """Load the month into the chosen targets that are in ``only``; an error of one leg is told in the outcome.

    If the file itself could not be had or read, or too many of its rows cannot be loaded, the other leg that needs it
    is not tried: it would fail alike. The warehouse's leg is skipped if the lake's failed: it would load what the lake
    had before.
    """
    legs: dict[Target, TargetOutcome] = {}
    no_file: str | None = None
    for target in (target for target in TARGETS if target in choice.targets and target in only):
        if target == "bigquery" and "gcs" in legs and legs["gcs"].status == "failed":
            legs[target] = TargetOutcome(target=target, status="skipped", sentence="the lake's leg failed before it.")
        elif no_file is not None and target != "bigquery":
            legs[target] = TargetOutcome(target=target, status="failed", sentence=no_file)
        else:
            try:
                legs[target] = TargetOutcome.of(_FLOWS[target](request, choice))
            except TripLoadError as error:  # else the run's time is over, not the leg's
                legs[target] = _failed(target, request, error)
                no_file = legs[target].sentence if isinstance(error, _OF_THE_FILE) else None
    return MonthOutcome(dataset=str(request.dataset), month=str(request.month), legs=list(legs.values()))


def _failed(target: Target, request: MonthRequest, error: TripLoadError) -> TargetOutcome:
    get_run_logger().error("%s %s → %s: %s", request.dataset, request.month, target, error.message)
    return TargetOutcome(target=target, status="failed", sentence=error.message)


def _to_postgres(request: MonthRequest, choice: LoadOptions) -> LoadReport:
    return api_to_postgres.fn(**_from_source(request), force=choice.force)


def _to_lake(request: MonthRequest, choice: LoadOptions) -> LoadReport:
    return api_to_gcs.fn(**_from_source(request), force=choice.force, layout=choice.layout)


def _to_warehouse(request: MonthRequest, choice: LoadOptions) -> LoadReport:
    return gcs_to_bigquery.fn(dataset=request.dataset, month=str(request.month), force=choice.force)


def _from_source(request: MonthRequest) -> dict[str, Any]:
    return {
        "dataset": request.dataset,
        "month": str(request.month),
        "source": request.source,
        "drop_rules": sorted(request.drop_rules),
        "new_columns": request.new_columns,
    }


_FLOWS: dict[Target, Callable[[MonthRequest, LoadOptions], LoadReport]] = {
    "postgres": _to_postgres,
    "gcs": _to_lake,
    "bigquery": _to_warehouse,
}
