"""Prefect flows that keep New York's taxi trips complete and correct in Postgres, a Parquet lake and BigQuery."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from flows.ui.run_log import shorten_run_logs
from flows.ui.visible_log import escape_logs

if TYPE_CHECKING:
    from flows.api_to_gcs import api_to_gcs
    from flows.api_to_postgres import api_to_postgres
    from flows.backfill import backfill
    from flows.build_models import build_models
    from flows.gcs_to_bigquery import gcs_to_bigquery
    from flows.green_taxi_etl import green_taxi_etl
    from flows.load_month import load_month
    from flows.reconcile import reconcile
    from flows.reconcile_stream import reconcile_stream
    from flows.replay_trips import replay_trips
    from flows.report import report
    from flows.run_step import run_step
    from flows.stream_to_postgres import stream_to_postgres
    from flows.sync_new_months import sync_new_months

__all__ = [
    "api_to_gcs",
    "api_to_postgres",
    "backfill",
    "build_models",
    "gcs_to_bigquery",
    "green_taxi_etl",
    "load_month",
    "reconcile",
    "reconcile_stream",
    "replay_trips",
    "report",
    "run_step",
    "stream_to_postgres",
    "sync_new_months",
]


class _Flows(ModuleType):
    """This package. Each flow is imported when it is first asked for: Prefect and the targets take seconds.

    A flow's name is also its module's, and importing a submodule sets the attribute of that name to the module. So
    the flows are properties: those win over whatever is set, and who asks for a flow gets it, in any order of imports.
    """

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


def _flow(name: str) -> property:
    return property(
        lambda _package: getattr(import_module(f"{__name__}.{name}"), name),
        lambda _package, _module: None,  # what the import of the submodule sets; it is in sys.modules all the same
    )


for _name in __all__:
    setattr(_Flows, _name, _flow(_name))
sys.modules[__name__].__class__ = _Flows
shorten_run_logs()  # of every process that runs a flow
escape_logs()
