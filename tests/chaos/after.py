"""After all that: one run, then every place has what the source has, and nothing else is left anywhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import duckdb
import psycopg2
from filelock import FileLock, Timeout
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import TERMINAL_STATES, StateType

from blocks.embedded_postgres import start_postgres
from flows.load.lake.codes import CodesManifest
from flows.load.lake.folder import FolderLake
from flows.load.lake.green_taxi import MANIFEST as HOMEWORK_MANIFEST
from flows.load.lake.manifest import Manifest
from flows.load.lake.protocol import parse_manifest
from flows.tlc.dataset import Dataset
from flows.tlc.locations import CODES_MANIFEST, manifest_object
from flows.tlc.month import Month
from tests.chaos.faults import Places
from tests.chaos.months import HOMEWORK, MONTHS, Months, Sums
from tests.chaos.readers import HOMEWORK_SQL, POSTGRES, duckdb_sums, lake_sums
from tests.chaos.runs import Run
from tests.e2e.platform import Platform

Say = Callable[[str], None]
TARGETS = ["postgres", "gcs", "bigquery"]
# A killed run is Crashed so long after its last sign of life at most: heartbeats, pending runs, and a busy server.
SETTLED_SECONDS = 300.0
LEFTOVERS = """
select 'table ' || relname from pg_class c join pg_namespace n on n.oid = relnamespace
  where nspname in ('tlc', 'mage') and relname like '%\\_new%'
union all select 'detached partition ' || relname from pg_class c join pg_namespace n on n.oid = relnamespace
  where nspname = 'tlc' and relname ~ '_trips_\\d{4}_?\\d\\d$' and not relispartition
union all select 'temporary table ' || relname from pg_class where relpersistence = 't' and relkind = 'r'
union all select 'transaction prepared ' || gid from pg_prepared_xacts
union all select 'session ' || state || ': ' || query from pg_stat_activity
  where backend_type = 'client backend' and pid <> pg_backend_pid() and state <> 'idle'
"""


def postgres_url(platform: Platform) -> str:
    """Of the trips' database."""
    return start_postgres(platform.folder / "postgres")


def finish(platform: Platform, months: Months, violation: Say, flows: dict[str, int]) -> None:
    """Run what a user would run, once."""
    for path in months.files:
        months.site.heal(path)
    calls = [
        # What a schedule runs daily. It also has a server that was killed watch runs that have not ended.
        ("sync_new_months", {"datasets": ["green", "yellow"], "targets": TARGETS, "start_month": str(MONTHS[0][1])}),
        ("backfill", _range(Dataset.green) | {"targets": TARGETS}),
        ("backfill", _range(Dataset.yellow) | {"targets": TARGETS}),
        ("green_taxi_etl", {"months": [str(HOMEWORK[1])]}),
        *((("build_models", {"target": "postgres"}),) if "build_models" in flows else ()),
        ("reconcile", _range(Dataset.green) | {"check_source": "sums"}),
        ("reconcile", _range(Dataset.yellow) | {"check_source": "sums"}),
    ]
    for number, (flow, given) in enumerate(calls):
        run = Run(flow, given, platform.folder / "runs" / f"last-{number}.log", {})
        if (code := run.wait(240)) != 0:
            violation(f"the last {flow} ended with {code}: {run.log.read_text(errors='replace')[-1500:]}")


def look(platform: Platform, months: Months, places: Places, violation: Say, flows: dict[str, int]) -> None:
    """Nobody else is at work any more."""
    for told in (*wrong_sums(months, places, flows), *leftovers(platform, places), *unfinished(platform)):
        violation(f"at the end: {told}")


def _range(dataset: Dataset) -> dict[str, object]:
    months = [str(month) for name, month in MONTHS if name == dataset]
    return {"dataset": str(dataset), "start_month": months[0], "end_month": months[-1]}


def wrong_sums(months: Months, places: Places, flows: dict[str, int]) -> Iterator[str]:
    """Places that have not what the source's file has, by Arrow."""
    found: dict[tuple[str, Dataset, Month], Sums | None] = {}
    lake = FolderLake(places.lake)
    with closing(psycopg2.connect(places.postgres)) as connection, connection.cursor() as cursor:
        for dataset in (Dataset.green, Dataset.yellow):
            cursor.execute(POSTGRES.format(dataset))
            rows = {month: Sums(*sums) for kind, _, month, *sums in cursor.fetchall() if kind == "trips"}
            found |= {("Postgres", dataset, month): rows.get(str(month)) for name, month in MONTHS if name == dataset}
            if "build_models" in flows:
                cursor.execute(
                    "select to_char(source_month, 'YYYY-MM'), sum(trips) from tlc_marts.daily_trips "
                    "where service = %s group by 1",
                    (str(dataset),),
                )
                trips = dict(cursor.fetchall())
                for name, month in MONTHS:
                    if name == dataset and trips.get(str(month)) != months.published(name, month).rows:
                        yield f"daily_trips: {name} {month} has {trips.get(str(month))} trips"
        cursor.execute(HOMEWORK_SQL)
        found["mage.green_taxi", *HOMEWORK] = Sums(*cursor.fetchone())
    for dataset, month in MONTHS:
        for layout, sums in lake_sums(lake, dataset, month).items():
            found[f"lake {layout}", dataset, month] = sums
    with closing(duckdb.connect(places.warehouse, read_only=True)) as connection:
        found |= {("DuckDB", dataset, month): sums for dataset, month, sums in duckdb_sums(connection)}
    for (place, dataset, month), sums in found.items():
        if sums != (wanted := months.published(dataset, month)):
            yield f"{place}: {dataset} {month} is {sums}, the source {wanted}"


def leftovers(platform: Platform, places: Places) -> Iterator[str]:
    """What no run needs any more."""
    with closing(psycopg2.connect(places.postgres)) as connection, connection.cursor() as cursor:
        cursor.execute(LEFTOVERS)
        yield from (f"Postgres: {name}" for (name,) in cursor.fetchall())
    lake = FolderLake(places.lake)
    names = [manifest_object(*each) for each in MONTHS] + [HOMEWORK_MANIFEST]
    manifests = [parse_manifest(lake.path_of(name).read_bytes(), name) for name in names]
    codes = CodesManifest.model_validate_json(lake.path_of(CODES_MANIFEST).read_bytes()).tables.values()
    named = {*names, CODES_MANIFEST, *(item.name for item in codes)}
    named |= {name for manifest in manifests for name in _objects(manifest)}
    left = sorted({item.name for item in lake.list("")} - named)
    yield from (f"lake: {name} is in no manifest" for name in left)
    cache = [*places.cache.glob("**/*.part*"), *places.cache.glob("**/*.tmp"), *places.cache.glob("lake-tmp/*")]
    temporary = [file for file in (platform.folder / "tmp").rglob("*") if file.is_file()]
    spill = [*places.warehouse.parent.glob("warehouse.duckdb.*")]
    for file in (*cache, *temporary, *spill):
        if file.suffix != ".lock":
            yield f"file {file.relative_to(platform.folder)}"
    yield from (f"lock held: {lock}" for lock in platform.folder.rglob("*.lock") if _is_held(lock))


def _objects(manifest: Manifest) -> list[str]:
    return [item.name for item in (*manifest.objects, *([manifest.rejected] if manifest.rejected else []))]


def _is_held(lock: Platform | object) -> bool:
    try:
        with FileLock(str(lock), timeout=2):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def unfinished(platform: Platform) -> Iterator[str]:
    """Runs that say for ever that they run."""
    open_states = [state for state in StateType if state not in TERMINAL_STATES]
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=open_states)))
    deadline = time.monotonic() + SETTLED_SECONDS
    while True:
        with platform.client() as client:
            scheduled = [
                run
                for run in client.read_flow_runs(flow_run_filter=wanted, limit=200)
                if not (run.auto_scheduled and run.state_type == StateType.SCHEDULED)
            ]
        if not scheduled:
            return
        if time.monotonic() > deadline:
            yield from (
                f"run {run.name} ({run.id}) is {run.state_name} since {run.expected_start_time}" for run in scheduled
            )
            return
        time.sleep(2)
