"""The tasks of building models: which months have to be built, and dbt's process for the target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from prefect import get_run_logger, task
from prefect.runtime import flow_run

from flows.dbt import DbtProcess, Wanted, dbt_process, models_python, project_version
from flows.dbt.project import PROJECT
from flows.dbt.request import DbtAnswer, DbtRequest
from flows.decide.models import (
    ModelBuild,
    ModelNode,
    ModelsTarget,
    TripsLoad,
    are_outdated,
    in_portions,
    intact_loads,
    months_to_build,
)
from flows.tasks.connect import open_warehouse, postgres_connected
from flows.tasks.dbt_environment import postgres_environment, prefect_environment, warehouse_environment
from flows.tasks.policy import RETRY_TRANSIENT, with_context
from flows.tlc.dataset import Dataset
from flows.tlc.errors import ParameterError

# A load that comes while dbt builds a month makes tests compare what was read with another ledger.
_TRIES = 3


@dataclass(frozen=True)
class Stale:
    """The months to build, and the loads that the target had before.

    ``rebuild``: the tables are made anew; ``has_views``: the views that the marts read are those of this version.
    """

    months: list[str]
    loads: list[TripsLoad]
    rebuild: bool = False
    has_views: bool = False


def check_dbt() -> None:
    """Raise ModelsNotInstalled if dbt is not there: before months are loaded for hours."""
    with with_context("models"):
        models_python()


def wanted_models(
    target: ModelsTarget, first: str | None, last: str | None, select: str | None, everything: bool
) -> Wanted:
    """What the flow's parameters ask for. Raises ParameterError if a selected name is none."""
    return Wanted(target, first, last, tuple((select or "").split()), everything)


@task(name="find-stale-months", task_run_name="find stale months in {wanted.target}", **RETRY_TRANSIENT)
def find_stale_months(wanted: Wanted, engine: str) -> Stale:
    """Compare the ledger with what the models were built from."""
    builds, loads, version = _read_builds(wanted.target), _read_loads(wanted.target), _version(wanted.target)
    # BigQuery's way to replace a partition adds no columns, so that another version of the SQL makes the tables anew.
    outdated = engine == "bigquery" and are_outdated(builds, wanted.marts, project_version())
    rebuild = outdated or (wanted.everything and wanted.first is None and wanted.last is None)
    months = months_to_build(
        loads,
        builds,
        wanted.marts,
        version,
        first=None if rebuild else wanted.first,
        last=None if rebuild else wanted.last,
        everything=rebuild or wanted.everything,
    )
    current = {build.model for build in builds if build.version == version}
    return Stale(months, loads, rebuild, has_views=current.issuperset(wanted.marts) and not rebuild)


def _version(target: ModelsTarget) -> str:
    """What all months are made of beside their trips: the models' SQL, and the names that marts have from tables."""
    return f"{project_version()}-{_names_version(target)}"


def _names_version(target: ModelsTarget) -> str:
    if target == "bigquery":
        return open_warehouse().names_version()
    from flows.load.codes import names_version  # noqa: PLC0415 - only if it is the target
    from flows.load.postgres.codes import read_versions  # noqa: PLC0415

    with postgres_connected() as connection:
        return names_version(read_versions(connection))


def _read_loads(target: ModelsTarget) -> list[TripsLoad]:
    if target == "bigquery":
        warehouse = open_warehouse()
        return intact_loads({dataset: warehouse.read_loads(dataset) for dataset in Dataset})
    from flows.load.postgres.month import current_loads  # noqa: PLC0415 - only if it is the target

    with postgres_connected() as connection:
        return intact_loads({dataset: current_loads(connection, dataset) for dataset in Dataset})


def _read_builds(target: ModelsTarget) -> list[ModelBuild]:
    if target == "bigquery":
        return open_warehouse().read_builds()
    from flows.load.postgres.models import read_builds  # noqa: PLC0415 - only if it is the target

    with postgres_connected() as connection:
        return read_builds(connection)


@task(name="ensure-sources", task_run_name="ensure the tables that models read in {target}", **RETRY_TRANSIENT)
def ensure_sources(target: ModelsTarget) -> str:
    """Make the tables that no load has made yet; returns where the target is, for people."""
    return sources_ensured(target)


def sources_ensured(target: ModelsTarget) -> str:
    """Make the tables that no load has made yet; returns where the target is, for people."""
    if target == "bigquery":
        warehouse = open_warehouse()
        warehouse.ensure_sources()
        return warehouse.place
    from flows.load.postgres import models  # noqa: PLC0415 - only if it is the target

    with postgres_connected() as connection:
        models.ensure_sources(connection)
        return f"Postgres {connection.info.dbname}"


@dataclass(frozen=True)
class Dbt:
    """dbt's process, and the target's variables."""

    process: DbtProcess
    environment: dict[str, str]

    @property
    def engine(self) -> str:
        return self.environment["TLC_MODELS_ENGINE"]

    @property
    def folder(self) -> Path:
        """dbt's own files for this target."""
        return Path(self.environment["TLC_MODELS_TARGET"])


@contextmanager
def dbt_for(target: ModelsTarget) -> Iterator[Dbt]:
    """dbt's process for the target; nobody else builds models in the same Postgres meanwhile.

    In a DuckDB file the process itself takes the lock, for as long as it has the file open.
    """
    with dbt_process(prefect_environment()) as process:  # first: it takes longest
        if target == "bigquery":
            yield Dbt(process, warehouse_environment())
            return
        from flows.load.postgres.models import lock_models  # noqa: PLC0415 - only if it is the target

        with postgres_connected() as connection:
            lock_models(connection)
            yield Dbt(process, postgres_environment(connection))


def build_stale_months(dbt: Dbt, wanted: Wanted, stale: Stale) -> list[ModelNode]:
    """Have dbt build the months, some at a time; each model and test is a task run of its own.

    Returns what came of them. A portion that fails stops no other.
    """
    portions = [stale.months] if stale.rebuild else in_portions(stale.months, stale.loads)
    nodes = []
    for months in portions:
        nodes += _build_portion(dbt, wanted, replace(stale, months=months))
    return nodes


def _build_portion(dbt: Dbt, wanted: Wanted, portion: Stale) -> list[ModelNode]:
    """Build it; once more if that failed for want of a view, or may have since a load came meanwhile."""
    loads, with_views = _loads_of(portion.months, portion.loads), not portion.has_views
    for _ in range(_TRIES):
        request = DbtRequest(
            environment=dbt.environment,
            months=portion.months,
            select=wanted.selectors(with_views=with_views),
            exclude=wanted.exclusions,
            full_refresh=portion.rebuild,
            loads=[(load.dataset, f"{load.month}-01", load.loaded_at.isoformat()) for load in loads],
            version=_version(wanted.target),
            flow_run_id=flow_run.get_id(),
        )
        nodes = dbt.process.ask(request).nodes
        if not any(node.status == "failed" for node in nodes):
            break
        had_views, before = with_views, loads
        loads, with_views = _loads_of(portion.months, _read_loads(wanted.target)), True
        if had_views and loads == before:
            break
        get_run_logger().info("Building %s failed, and is tried once more", ", ".join(portion.months))
    return nodes


def _loads_of(months: Sequence[str], loads: Sequence[TripsLoad]) -> list[TripsLoad]:
    return [load for load in loads if load.month in months]


def preview_model(target: ModelsTarget, name: str, months: Sequence[str]) -> DbtAnswer:
    """The first rows of a model, and their number, without building it. Raises ParameterError if there is no such."""
    known = sorted(path.stem for path in (PROJECT / "models").rglob("*.sql"))
    if name not in known:
        raise ParameterError(f"{name!r} is no model: choose from {', '.join(known)}.")
    with with_context("models"), dbt_for(target) as dbt:
        sources_ensured(target)
        request = DbtRequest(environment=dbt.environment, command="preview", select=[name], months=list(months))
        return dbt.process.ask(request)


def write_models_docs(target: ModelsTarget) -> Path:
    """Have dbt describe the target's models and tables on one page, and return that."""
    with with_context("models"), dbt_for(target) as dbt:
        dbt.process.ask(DbtRequest(environment=dbt.environment, command="docs"))
        return dbt.folder / "static_index.html"
