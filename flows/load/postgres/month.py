"""Load a month into Postgres: one transaction builds its partition beside the old one and swaps it in.

Why no reader ever sees half a month, and no kill leaves a trace:
- The new partition is a table of its own that no one else can see before the commit. The transaction of a client
  that died is rolled back by the server, files and all.
- Loads of the same month wait for each other by an advisory lock that ends with the transaction.
- The table that people read is locked for the swap alone: a few catalogue changes, no data. Readers that came
  before keep what they see; the swap waits for them in short tries, so that those who come later are not held up.
- The partition, the columns that it adds to the table, the rejected rows and the ledger's row become visible by the
  same commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg2.extensions
import pyarrow as pa
from psycopg2 import sql

from flows.decide.plan import LoadedMonth
from flows.load.month_load import MonthLoad
from flows.load.postgres.copy import copy_batches
from flows.load.postgres.errors import postgres_errors, transaction
from flows.load.postgres.indexes import make_indexes
from flows.load.postgres.ledger import read_load, read_loads, refuse_outdated, write_ledger
from flows.load.postgres.locks import LockTimeouts, advisory_lock
from flows.load.postgres.swap import month_literal, new_name, swap_partition
from flows.load.postgres.tables import (
    column_definition,
    ensure_tables,
    existing_columns,
    missing_columns,
    table_name,
)
from flows.load.rejected_spill import RejectedSpill
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetError
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import trips_table
from flows.tlc.report import LoadReport
from flows.transform.rejected import REJECTED_SCHEMA
from flows.transform.stream import TripStream

Progress = Callable[[float], None]


def current_load(
    connection: psycopg2.extensions.connection, request: MonthRequest, source_etag: str
) -> LoadReport | None:
    """The report (``unchanged``) of the load in Postgres if it is the same; None if the month has to be loaded."""
    with postgres_errors(), connection, connection.cursor() as cursor:
        return read_load(cursor, request, source_etag)


def current_loads(connection: psycopg2.extensions.connection, dataset: Dataset) -> dict[str, LoadedMonth]:
    """The last load of each month that Postgres has, by month (YYYY-MM)."""
    with postgres_errors(), connection, connection.cursor() as cursor:
        return read_loads(cursor, dataset)


def load_month(
    connection: psycopg2.extensions.connection,
    load: MonthLoad,
    trips: TripStream,
    rejected: RejectedSpill,
    *,
    force: bool = False,
    waiting: LockTimeouts | None = None,
    on_progress: Progress = lambda _fraction: None,
) -> LoadReport:
    """Replace the month in ``tlc.{dataset}_trips`` by ``trips``, whole or not at all, and commit.

    ``rejected`` is where ``trips`` puts its rejected rows. Returns ``unchanged`` if another load put in the same while
    this one waited for its lock (unless ``force``). Raises what ``trips`` raises, CheckFailed if no row is left to load
    (unless ``force``), TargetLocked if readers leave no gap for the swap, NewerLoad if another load put in a newer file
    meanwhile, TargetMismatch if the table has a column of another type, TargetUnavailable if Postgres is out of reach
    or full.
    """
    waiting = waiting or LockTimeouts()
    request, schema = load.request, trips.conformer.schema
    with postgres_errors():
        ensure_tables(connection, request.dataset, waiting)
        with transaction(connection), connection.cursor() as cursor:
            advisory_lock(cursor, f"{request.dataset} {request.month}")
            if not force and (found := read_load(cursor, request, load.source_etag)):
                return found.model_copy(update={"bytes_read": load.bytes_read})
            refuse_outdated(cursor, load)
            _build_partition(cursor, request, trips, on_progress)
            if not force:
                load.refuse_empty(trips.counts)
            _replace_rejected(cursor, request, rejected)
            swap_partition(cursor, request, schema, waiting)
            report = load.report(trips.counts)
            write_ledger(cursor, load, report)
            return report


def _build_partition(
    cursor: psycopg2.extensions.cursor, request: MonthRequest, trips: TripStream, on_progress: Progress
) -> None:
    """Make the new partition as a table of its own: filled, indexed, analysed, seen by this transaction only."""
    table = table_name(new_name(request))
    existing = existing_columns(cursor, trips_table(request.dataset))
    columns = [column_definition(column, *kind) for column, kind in existing.items()]
    # Those that the file brings: the table that people read gets them with the swap, or never.
    columns += [column_definition(*column) for column in missing_columns(cursor, trips.conformer.schema)]
    # The check spares the swap, which holds the lock, a scan of all rows: it costs the COPY nothing measurable.
    columns.append(sql.SQL("constraint source_month check (source_month = {})").format(month_literal(request.month)))
    cursor.execute(sql.SQL("create table {} ({})").format(table, sql.SQL(", ").join(columns)))
    # The month is the table's default instead of a value in each row: 4 % less for the COPY to take.
    cursor.execute(
        sql.SQL("alter table {} alter column source_month set default {}").format(table, month_literal(request.month))
    )
    names = _names_in_file(trips)
    rows = copy_batches(
        cursor,
        table,
        pa.schema([trips.schema.field(name) for name in names]),
        (batch.select(names) for batch in trips),
        freeze=True,
        on_piece=lambda: on_progress(trips.file.fraction_read()),
    )
    if rows != trips.counts.rows_loaded:
        raise TargetError(f"Postgres took {rows:,} of {trips.counts.rows_loaded:,} rows; the month is as it was.")
    make_indexes(cursor, trips_table(request.dataset), new_name(request))
    # A tenth of the usual sample tells the planner enough at once; autovacuum takes the whole one within its minute.
    cursor.execute("set local default_statistics_target = 10")
    cursor.execute(sql.SQL("analyze {}").format(table))


def _names_in_file(trips: TripStream) -> list[str]:
    """The columns that have to be sent: what the file lacks is null, or the month, without saying so in each row."""
    conformer = trips.conformer
    places = zip(conformer.schema.columns, conformer.positions, strict=True)
    return [column.name for column, place in places if place is not None]


def _replace_rejected(cursor: psycopg2.extensions.cursor, request: MonthRequest, rejected: RejectedSpill) -> None:
    key = (str(request.dataset), request.month.first_day)
    table = table_name("rejected_trips")
    cursor.execute(sql.SQL("delete from {} where dataset = %s and source_month = %s").format(table), key)
    if rejected.rows:
        schema = pa.schema([pa.field("dataset", pa.string()), pa.field("source_month", pa.date32()), *REJECTED_SCHEMA])
        copy_batches(cursor, table, schema, _with_key(rejected, key, schema), jsonb=["record"])


def _with_key(rejected: RejectedSpill, key: tuple[Any, ...], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in rejected.batches():
        constants = [pa.array([value] * batch.num_rows, field.type) for value, field in zip(key, schema, strict=False)]
        yield pa.RecordBatch.from_arrays([*constants, *batch.columns], schema=schema)
