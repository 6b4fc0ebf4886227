"""Reading what the metrics say, part by part: each from its own place, so that one that fails leaves the others."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from string import Template
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client

from blocks.settings import Settings
from deployments.metrics.samples import (
    DAY,
    DISK_FREE,
    DISK_SIZE,
    FAILED_RUNS,
    LATE_RUNS,
    MODELS_BUILT_AT,
    Sample,
    of_comparison,
    of_counts,
    of_loads,
)
from deployments.server.declared import declared_deployments
from flows.load.lake.month import current_loads as loads_in_lake
from flows.load.postgres.marts import reading_marts
from flows.load.postgres.month import current_loads as loads_in_postgres
from flows.tasks.connect import open_lake, open_warehouse, postgres_connected
from flows.tlc.dataset import Dataset
from flows.tlc.errors import ModelsMissing
from flows.tlc.locations import MODEL_BUILDS
from flows.ui.reconcile import count_differing, months_key

# Of one statement; a table that is locked for longer fails the part.
STATEMENT_SECONDS = 10
REQUEST_SECONDS = 10
_BUILT = f"select max(built_at) as built_at from $marts.{MODEL_BUILDS}"  # noqa: S608 - constants


@dataclass(frozen=True)
class Part:
    """What is read together, and for how many seconds its values count."""

    name: str
    read: Callable[[], list[Sample]]
    seconds: float = 60


def read_postgres() -> list[Sample]:
    """The ledger and the models in Postgres, in a session that only reads."""
    now = datetime.now(UTC)
    samples: list[Sample] = []
    with postgres_connected() as connection:
        connection.set_session(readonly=True)
        with connection, connection.cursor() as cursor:
            cursor.execute("set statement_timeout = %s", (STATEMENT_SECONDS * 1000,))
        for dataset in Dataset:
            samples += of_loads(dataset, "postgres", loads_in_postgres(connection, dataset), now)
        return samples + _models("postgres", reading_marts(connection))


def read_lake() -> list[Sample]:
    """The manifests of the lake."""
    now, lake = datetime.now(UTC), open_lake()
    return [sample for dataset in Dataset for sample in of_loads(dataset, "lake", loads_in_lake(lake, dataset), now)]


def read_warehouse() -> list[Sample]:
    """The ledger and the models in the warehouse."""
    now, warehouse = datetime.now(UTC), open_warehouse()
    samples: list[Sample] = []
    for dataset in Dataset:
        samples += of_loads(dataset, "warehouse", warehouse.read_loads(dataset), now)
    return samples + _models("warehouse", warehouse.reading_marts())


def _models(target: str, reading: AbstractContextManager[Any]) -> list[Sample]:
    try:
        with reading as marts:
            (row,) = marts.rows(Template(_BUILT).substitute(marts.sql_names))
    except ModelsMissing:
        return []
    return [MODELS_BUILT_AT.sample(row["built_at"].timestamp(), target)] if row["built_at"] else []


def read_runs() -> list[Sample]:
    """Runs that ended badly or are late: three requests, and one more a deployment for each that is not 0."""
    since = (datetime.now(UTC) - DAY).isoformat()
    late = {"state": {"name": {"any_": ["Late"]}}}
    with _client() as client:
        samples = of_counts(LATE_RUNS, _count_runs(client, late))
        for state in ("FAILED", "CRASHED"):
            ended = {"state": {"type": {"any_": [state]}}, "end_time": {"after_": since}}
            samples += of_counts(FAILED_RUNS, _count_runs(client, ended), state.lower())
    return samples


def _count_runs(client: SyncPrefectClient, wanted: Mapping[str, Any]) -> dict[str, int]:
    """The runs of each of our deployments; one request alone if there is none at all."""
    names = sorted(declared_deployments())

    def count(*of: str) -> int:
        body = {"flow_runs": wanted, "deployments": {"name": {"any_": of}}}
        return int(client.request("POST", "/flow_runs/count", json=body).json())

    return {name: count(name) for name in names} if count(*names) else dict.fromkeys(names, 0)


def read_reconciliations() -> list[Sample]:
    """The table that the last ``reconcile`` of each dataset left."""
    samples: list[Sample] = []
    with _client() as client:
        for dataset in Dataset:
            last = {"artifacts": {"key": {"any_": [months_key(dataset)]}}, "sort": "CREATED_DESC", "limit": 1}
            for artifact in client.request("POST", "/artifacts/filter", json=last).json():
                compared_at = datetime.fromisoformat(artifact["created"])
                samples += of_comparison(dataset, compared_at, *count_differing(artifact["data"]))
    return samples


def _client() -> SyncPrefectClient:
    return get_client(httpx_settings={"timeout": REQUEST_SECONDS}, sync_client=True)


def read_disk() -> list[Sample]:
    """The disk of the data folder."""
    usage = shutil.disk_usage(Settings().local_dir)
    return [DISK_FREE.sample(usage.free), DISK_SIZE.sample(usage.total)]


# Rarely: the lake's manifests are as many requests as months, BigQuery bills each query, and no load gets at a DuckDB
# file that is open here.
_RARELY = 1800
PARTS = (
    Part("postgres", read_postgres),
    Part("lake", read_lake, _RARELY),
    Part("warehouse", read_warehouse, _RARELY),
    Part("runs", read_runs),
    Part("reconcile", read_reconciliations, 600),
    Part("disk", read_disk),
)
