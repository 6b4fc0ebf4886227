"""Load a month into a DuckDB file: one transaction deletes its rows, reads the manifest's files, enters the ledger.

Why no reader sees half a month, and no kill leaves a trace: rows, columns and ledger become visible by one commit, and
DuckDB drops an unfinished transaction when the file is opened next. DuckDB lets one process at a time open a file that
is written, so the connection is open for the load alone, and loads wait for each other by a lock file beside it (which
the system releases when a process dies).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from flows.decide.models import ModelBuild
from flows.decide.plan import LoadedMonth
from flows.load.codes import names_version
from flows.load.duckdb import models
from flows.load.duckdb import totals as duckdb_totals
from flows.load.duckdb.codes import read_versions, replace_codes
from flows.load.duckdb.errors import duckdb_errors
from flows.load.duckdb.file import MEMORY_LIMIT, DuckDbFile, Settings
from flows.load.duckdb.files import file_rows, lake_folder
from flows.load.duckdb.lake_table import create_lake_view
from flows.load.duckdb.ledger import enter_load, last_rows, read_load
from flows.load.duckdb.marts import marts_reader
from flows.load.duckdb.objects import object_rows
from flows.load.duckdb.query import QUERY_SETTINGS, open_query, query_errors
from flows.load.duckdb.tables import ensure_tables, existing_columns, quoted
from flows.load.lake.protocol import Lake
from flows.load.marts import MartsReader
from flows.load.query import QueryLimits
from flows.load.warehouse.codes import behind_lake
from flows.load.warehouse.ledger import loaded_months_of
from flows.load.warehouse.protocol import WarehouseLoad
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetBusy, TargetMismatch
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.month import Month
from flows.tlc.report import LoadReport
from flows.tlc.totals import Totals
from flows.tlc.urls import url_to_path

# Rows need no order, and keeping one costs memory. 18 million rows take 8 s with 1 GB and 24 s with 400 MB.
SETTINGS: Settings = {"memory_limit": MEMORY_LIMIT, "preserve_insertion_order": False}


@dataclass(frozen=True)
class DuckDbWarehouse:
    """The DuckDB file at ``path``, made at the first load. ``wait``: seconds to wait for others who have it open."""

    path: Path
    wait: float = 600.0
    poll: float = field(default=0.2, repr=False)

    @property
    def place(self) -> str:
        return f"DuckDB file {self.path}"

    def load_month(self, load: WarehouseLoad, *, is_current: Callable[[], bool] = lambda: True) -> LoadReport:
        """Replace the month's rows by those of the manifest's files, whole or not at all, and enter the ledger.

        See ``Warehouse.load_month``. Raises TargetMismatch if files or table are not as declared, TargetBusy if
        another process keeps the warehouse open, or the lake is being rewritten.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection:
            if not load.force and (found := read_load(connection, load)):
                return found
            load.refuse_empty()
            with _transaction(connection):
                ensure_tables(connection, load.schema)
                with _of_one_version(is_current):
                    _replace_rows(connection, load)
                report = load.report()
                enter_load(connection, load, report)
            return report

    def create_lake_table(self, dataset: Dataset, lake_url: str) -> str:
        """Make a view over the lake's day folders; returns its name. See ``lake_table``."""
        lake_folder(lake_url)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection:
            return create_lake_view(connection, dataset, lake_url)

    def load_codes(self, lake: Lake) -> None:
        """See Warehouse."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection, _transaction(connection):
            replace_codes(connection, lake, behind_lake(lake, read_versions(connection)))

    def names_version(self) -> str:
        """See Warehouse."""
        with self._reading() as connection:
            return names_version(read_versions(connection)) if connection else ""

    def sum_months(self, dataset: Dataset, first: Month, last: Month) -> dict[str, Totals]:
        """See Warehouse."""
        with self._reading() as connection:
            return duckdb_totals.sum_months(connection, dataset, first, last) if connection else {}

    def read_loads(self, dataset: Dataset) -> dict[str, LoadedMonth]:
        """See Warehouse."""
        with self._reading() as connection:  # ledger and rows with one: as long as it is open, no load gets in
            if connection is None:
                return {}
            rows = last_rows(connection, "dataset = $dataset", {"dataset": str(dataset)})
            return loaded_months_of(rows, _count_rows(connection, dataset))

    def ensure_sources(self) -> None:
        """See Warehouse."""
        with self._connection() as connection, _transaction(connection):
            models.ensure_sources(connection)

    def read_builds(self) -> list[ModelBuild]:
        """See Warehouse."""
        with self._reading() as connection:
            return models.read_builds(connection) if connection else []

    @contextmanager
    def reading_marts(self) -> Iterator[MartsReader]:
        """See Warehouse."""
        with self._reading() as connection:
            yield marts_reader(connection, self.place)

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """A connection; None if there is no file yet, which reading does not make."""
        if not self.path.exists():
            yield None
            return
        with self._connection() as connection:
            yield connection

    def address(self, dataset: Dataset) -> str:
        """See Warehouse."""
        return f"{SCHEMA}.{trips_table(dataset)}"

    @contextmanager
    def query(self, sql: str, limits: QueryLimits) -> Iterator[pa.RecordBatchReader]:
        """See Warehouse. As long as the context is open, no load gets in."""
        if not self.path.exists():
            raise TargetMismatch(f"there is no {self.place} yet: load a month with gcs_to_bigquery, and run again.")
        readable = [str(limits.lake_folder)] if limits.lake_folder else []
        with ExitStack() as opened:
            opened.enter_context(self._file.locked())
            with query_errors(self.place):
                connection = opened.enter_context(self._file.open(QUERY_SETTINGS, read_only=True))
            yield opened.enter_context(open_query(connection, sql, self.place, readable))

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._file.locked(), duckdb_errors(self.path), self._file.open(SETTINGS) as connection:
            yield connection

    @property
    def _file(self) -> DuckDbFile:
        return DuckDbFile(self.path, self.wait, self.poll)


def _count_rows(connection: duckdb.DuckDBPyConnection, dataset: Dataset) -> dict[str, int]:
    if not existing_columns(connection, trips_table(dataset)):
        return {}
    counts = connection.execute(
        f"select strftime(source_month, '%Y-%m'), count(*) from {SCHEMA}.{trips_table(dataset)} "  # noqa: S608
        "group by 1 order by 1"
    )
    return dict(counts.fetchall())


def _replace_rows(connection: duckdb.DuckDBPyConnection, load: WarehouseLoad) -> None:
    table = f"{SCHEMA}.{trips_table(load.dataset)}"
    columns = ", ".join(map(quoted, load.manifest.columns))
    connection.execute(f"delete from {table} where source_month = ?", [load.month.first_day])  # noqa: S608
    with _rows_of(connection, load) as source:
        connection.execute(f"insert into {table} ({columns}) select {columns} from {source}")  # noqa: S608
    counted = connection.execute(f"select count(*) from {table} where source_month = ?", [load.month.first_day])  # noqa: S608
    rows = (counted.fetchone() or (0,))[0]
    if rows != load.rows:
        raise TargetMismatch(
            f"DuckDB read {rows:,} rows of {load.month}, but the lake's manifest has {load.rows:,}; the month is as "
            "it was. Write the month's objects anew with api_to_gcs and force=True, and run again."
        )


def _rows_of(connection: duckdb.DuckDBPyConnection, load: WarehouseLoad) -> AbstractContextManager[str]:
    """What to select the month's rows from: the lake's files, or its objects in a bucket."""
    if load.lake is None or url_to_path(load.lake_url):
        return nullcontext(file_rows(connection, load))
    return object_rows(connection, load, load.lake)


@contextmanager
def _of_one_version(is_current: Callable[[], bool]) -> Iterator[None]:
    """Raise TargetBusy if the lake's month changed meanwhile: also for what was wrong with the files for that."""
    try:
        yield
    except TargetMismatch:
        if is_current():
            raise
    else:
        if is_current():
            return
    raise TargetBusy("the lake's month was written anew while DuckDB read it; the table is as it was. Run again.")


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("begin")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")
