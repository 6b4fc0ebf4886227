"""Readers who look on all the while: each month is not there yet, or one published version, whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq

from flows.load.crc32c import crc32c_of
from flows.load.lake.folder import FolderLake
from flows.load.lake.manifest import Manifest
from flows.load.lake.protocol import parse_manifest
from flows.load.postgres.errors import is_connection_lost
from flows.tlc.dataset import Dataset
from flows.tlc.locations import LAYOUTS, manifest_object
from flows.tlc.month import Month
from tests.chaos.months import HOMEWORK, MONTHS, Months, Sums, sums_of

# Of the trips with the ledger and the rejected rows of the same moment: one statement, so one snapshot.
POSTGRES = """
select 'trips', '{0}', to_char(source_month, 'YYYY-MM'), count(*), sum(round(total_amount::numeric * 100))::bigint,
  sum(round(trip_distance::numeric * 100))::bigint from tlc.{0}_trips group by 3
union all select 'rejected', dataset, to_char(source_month, 'YYYY-MM'), count(*), 0, 0
  from tlc.rejected_trips where dataset = '{0}' group by 2, 3
union all (select distinct on (month) 'ledger', dataset, month, rows_loaded, rows_rejected, 0
  from tlc.loads where dataset = '{0}' order by month, load_id desc)
"""
DUCKDB = """
select 'trips', '{0}', strftime(source_month, '%Y-%m'), count(*), sum(round(total_amount::double * 100))::bigint,
  sum(round(trip_distance::double * 100))::bigint from tlc.{0}_trips group by 3
"""
HOMEWORK_SQL = """select count(*), sum(round(total_amount::numeric * 100))::bigint,
  sum(round(trip_distance::numeric * 100))::bigint from mage.green_taxi"""

Say = Callable[[str], None]


@dataclass
class Readers:
    """Threads that look at each place again and again; ``violation`` is told what nobody may ever see."""

    months: Months
    violation: Say
    postgres: str
    lake: Path
    warehouse: Path
    looks: dict[str, int] = field(default_factory=dict)
    away: dict[str, int] = field(default_factory=dict)
    _seen: set[tuple[str, Dataset, Month]] = field(default_factory=set)
    _done: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for name, look, pause in (
            ("postgres", self.look_at_postgres, 0.08),
            ("lake", self.look_at_lake, 0.08),
            ("duckdb", self.look_at_duckdb, 0.25),
        ):
            self.looks[name] = self.away[name] = 0
            self._threads.append(threading.Thread(target=self._repeat, args=(name, look, pause), daemon=True))
            self._threads[-1].start()

    def stop(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, name: str, look: Callable[[], bool], pause: float) -> None:
        while not self._done.wait(pause):
            try:
                self.looks[name] += look()
            except Exception as error:
                if isinstance(error, psycopg2.Error) and is_connection_lost(error):
                    self.away[name] += 1
                    continue
                self.violation(f"{name}'s reader: {type(error).__name__}: {error}")

    def judge(self, place: str, dataset: Dataset, month: Month, found: Sums | None) -> None:
        key = (place, dataset, month)
        if found is None:
            if key in self._seen:
                self.violation(f"{place}: {dataset} {month} was there and is gone")
        elif found not in self.months.versions[dataset, month]:
            self.violation(f"{place}: {dataset} {month} is {found}, which is no version of it")
        else:
            self._seen.add(key)

    def look_at_postgres(self) -> bool:
        with closing(psycopg2.connect(self.postgres, connect_timeout=3)) as connection, connection.cursor() as cursor:
            cursor.execute("set statement_timeout = 20000")
            for dataset in (Dataset.green, Dataset.yellow):
                for month, found in _snapshot(cursor, dataset).items():
                    self._judge_postgres(dataset, month, found)
            cursor.execute("select to_regclass('mage.green_taxi')")
            if cursor.fetchone() != (None,):
                cursor.execute(HOMEWORK_SQL)
                self.judge("mage.green_taxi", *HOMEWORK, Sums(*cursor.fetchone()))
        return True

    def _judge_postgres(self, dataset: Dataset, month: Month, found: dict[str, tuple[int, int, int]]) -> None:
        trips, ledger = found.get("trips"), found.get("ledger")
        self.judge("postgres", dataset, month, Sums(*trips) if trips else None)
        rejected = found.get("rejected", (0, 0, 0))[0]
        if (ledger or (0, 0))[:2] != ((trips or (0,))[0], rejected):
            self.violation(f"postgres: {dataset} {month}: ledger {ledger}, trips {trips}, {rejected} rejected")

    def look_at_lake(self) -> bool:
        """One month a look, in turn."""
        dataset, month = MONTHS[self.looks["lake"] % len(MONTHS)]
        lake = FolderLake(self.lake)
        for layout, found in lake_sums(lake, dataset, month).items():
            self.judge(f"lake {layout}", dataset, month, found)
        return True

    def look_at_duckdb(self) -> bool:
        """Not while a load has the file: DuckDB lets one process in."""
        if not self.warehouse.exists():
            return False
        try:
            connection = duckdb.connect(self.warehouse, read_only=True)
        except duckdb.IOException as error:
            if "Could not set lock" not in str(error) and "does not exist" not in str(error):
                raise
            self.away["duckdb"] += 1
            return False
        with connection:
            for dataset, month, found in duckdb_sums(connection):
                self.judge("duckdb", dataset, month, found)
        return True


def _snapshot(cursor: psycopg2.extensions.cursor, dataset: Dataset) -> dict[Month, dict[str, tuple[int, int, int]]]:
    cursor.execute(
        "select to_regclass(%s), to_regclass('tlc.loads'), to_regclass('tlc.rejected_trips')", (f"tlc.{dataset}_trips",)
    )
    found: dict[Month, dict[str, tuple[int, int, int]]] = {month: {} for name, month in MONTHS if name == dataset}
    if None not in cursor.fetchone():
        cursor.execute(POSTGRES.format(dataset))
        for kind, _, month, *sums in cursor.fetchall():
            found.setdefault(Month.parse(month), {})[kind] = tuple(sums)
    return found


def duckdb_sums(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[Dataset, Month, Sums | None]]:
    """Of each month, by one statement a dataset."""
    tables = {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}
    for dataset in (Dataset.green, Dataset.yellow):
        rows = connection.execute(DUCKDB.format(dataset)).fetchall() if f"{dataset}_trips" in tables else []
        found = {Month.parse(month): Sums(*sums) for _, _, month, *sums in rows}
        for name, month in MONTHS:
            if name == dataset:
                yield dataset, month, found.get(month)


def lake_sums(lake: FolderLake, dataset: Dataset, month: Month) -> dict[str, Sums | None]:
    """By layout, of what the manifest names; read again if it changes meanwhile. Its rows have to be these."""
    deadline = time.monotonic() + 20
    while True:
        content = _read(lake, manifest_object(dataset, month))
        if content is None:
            return dict.fromkeys(LAYOUTS)
        manifest = parse_manifest(content, "its manifest")
        try:
            return _named(lake, manifest)
        except LookupError as error:
            if _read(lake, manifest_object(dataset, month)) == content or time.monotonic() > deadline:
                raise AssertionError(f"{dataset} {month}: {error}") from error


def _named(lake: FolderLake, manifest: Manifest) -> dict[str, Sums | None]:
    tables: dict[str, list[pa.Table]] = {"manifest": []}
    for item in manifest.objects:
        content = _read(lake, item.name)
        if content is None or crc32c_of(content) != item.crc32c:
            raise LookupError(f"{item.name} is {'gone' if content is None else 'not what the manifest says'}")
        table = pq.read_table(pa.BufferReader(content), columns=["total_amount", "trip_distance"])
        tables.setdefault(item.layout, []).append(table)
    del tables["manifest"]
    return dict.fromkeys(LAYOUTS) | {layout: sums_of(pa.concat_tables(parts)) for layout, parts in tables.items()}


def _read(lake: FolderLake, name: str) -> bytes | None:
    try:
        return lake.path_of(name).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
