"""Load a month into Postgres: one transaction builds its partition beside the old one and swaps it in.

Why no reader ever sees half a month, and no kill leaves a trace:
- The new partition is a table of its own that no one else can see before the commit. The transaction of a client
  that died is rolled back by the server, files and all.
- Loads of the same month take turns by an advisory lock that ends with the transaction.
- The table that people read is locked for the swap alone: a few catalogue changes, no data. Readers that came
  before keep what they see; the swap waits for them in short tries, so that those who come later are not held up.
- The partition, the rejected rows and the ledger's row become visible by the same commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
from psycopg2 import sql

from flows.load.month_load import MonthLoad
from flows.load.postgres_copy import copy_batches
from flows.load.postgres_errors import postgres_errors, transaction
from flows.load.postgres_ledger import is_attached, refuse_outdated, standing_load, standing_loads, write_ledger
from flows.load.postgres_locks import Waiting, holding_locks, lock_in_turn
from flows.load.postgres_tables import column_definition, ensure_tables, existing_columns, pickup_index, table_name
from flows.load.rejected_spill import RejectedSpill
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetError
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import partition_table, trips_table
from flows.tlc.month import Month
from flows.tlc.plan import Standing
from flows.tlc.report import LoadReport
from flows.transform.rejected import REJECTED_SCHEMA
from flows.transform.stream import TripStream

Progress = Callable[[float], None]


def find_load(connection: Any, request: MonthRequest, source_etag: str) -> LoadReport | None:
    """The report (``unchanged``) of the load that stands in Postgres if it is the same; None where it has to run."""
    with postgres_errors(), connection, connection.cursor() as cursor:
        return standing_load(cursor, request, source_etag)


def find_loads(connection: Any, dataset: Dataset) -> dict[str, Standing]:
    """The last load of each month that Postgres has, by month (YYYY-MM)."""
    with postgres_errors(), connection, connection.cursor() as cursor:
        return standing_loads(cursor, dataset)


def load_month(
    connection: Any,
    load: MonthLoad,
    trips: TripStream,
    rejected: RejectedSpill,
    *,
    force: bool = False,
    waiting: Waiting | None = None,
    on_progress: Progress = lambda _fraction: None,
) -> LoadReport:
    """Replace the month in ``tlc.{dataset}_trips`` by ``trips``, whole or not at all, and commit.

    ``rejected`` is where ``trips`` puts its rejected rows. Returns ``unchanged`` where another load put in the same
    while this one waited its turn (unless ``force``). Raises what ``trips`` raises, CheckFailed where no row is left to
    load (unless ``force``), TargetBusy where readers leave no gap for the swap, NewerLoad where another load put in a
    newer file meanwhile, TargetUnavailable where Postgres is out of reach or full.
    """
    waiting = waiting or Waiting()
    request, schema = load.request, trips.conformer.schema
    with postgres_errors():
        ensure_tables(connection, schema, waiting)
        with transaction(connection), connection.cursor() as cursor:
            lock_in_turn(cursor, f"{request.dataset} {request.month}")
            if not force and (standing := standing_load(cursor, request, load.source_etag)):
                return standing.model_copy(update={"bytes_read": load.bytes_read})
            refuse_outdated(cursor, load)
            new_table = _build_partition(cursor, request, trips, on_progress)
            if not force:
                load.refuse_empty(trips.counts)
            _replace_rejected(cursor, request, rejected)
            _swap_partition(cursor, request, new_table, waiting)
            report = load.report(trips.counts)
            write_ledger(cursor, load, report)
            return report


def _build_partition(cursor: Any, request: MonthRequest, trips: TripStream, on_progress: Progress) -> sql.Identifier:
    """The new partition as a table of its own: filled, indexed, analysed, seen by this transaction only."""
    schema = trips.conformer.schema
    name = _new_name(request)
    table = table_name(name)
    columns = [
        column_definition(column, *kind)
        for column, kind in existing_columns(cursor, trips_table(request.dataset)).items()
    ]
    # The check spares the swap, which holds the lock, a scan of all rows: it costs the COPY nothing measurable.
    columns.append(sql.SQL("constraint source_month check (source_month = {})").format(_month(request.month)))
    cursor.execute(sql.SQL("create table {} ({})").format(table, sql.SQL(", ").join(columns)))
    # The month is the table's default instead of a value in each row: 4 % less for the COPY to take.
    cursor.execute(
        sql.SQL("alter table {} alter column source_month set default {}").format(table, _month(request.month))
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
    cursor.execute(
        sql.SQL("create index {} on {} {}").format(sql.Identifier(f"{name}_pickup"), table, pickup_index(schema))
    )
    # A tenth of the usual sample tells the planner enough at once; autovacuum takes the whole one within its minute.
    cursor.execute("set local default_statistics_target = 10")
    cursor.execute(sql.SQL("analyze {}").format(table))
    return table


def _names_in_file(trips: TripStream) -> list[str]:
    """The columns that have to be sent: what the file lacks is null, or the month, without saying so in each row."""
    conformer = trips.conformer
    places = zip(conformer.schema.columns, conformer.positions, strict=True)
    return [column.name for column, place in places if place is not None]


def _swap_partition(cursor: Any, request: MonthRequest, new_table: sql.Identifier, waiting: Waiting) -> None:
    """Put the new partition in the old one's place. Without an old one, readers are not even waited for."""
    trips, partition = table_name(trips_table(request.dataset)), partition_table(request.dataset, request.month)
    replaces = is_attached(cursor, request)
    old = table_name(partition) if replaces else None
    with holding_locks(cursor, trips, waiting, exclusive=replaces, partition=old):
        _add_columns_since(cursor, request, new_table)
        if replaces:
            cursor.execute(sql.SQL("alter table {} detach partition {}").format(trips, table_name(partition)))
        cursor.execute(sql.SQL("drop table if exists {}").format(table_name(partition)))
        cursor.execute(sql.SQL("alter table {} rename to {}").format(new_table, sql.Identifier(partition)))
        cursor.execute(
            sql.SQL("alter index {} rename to {}").format(
                table_name(f"{partition}_new_pickup"), sql.Identifier(f"{partition}_pickup")
            )
        )
        cursor.execute(
            sql.SQL("alter table {} attach partition {} for values in ({})").format(
                trips, table_name(partition), _month(request.month)
            )
        )
        cursor.execute(
            sql.SQL("alter table {} drop constraint source_month, alter column source_month drop default").format(
                table_name(partition)
            )
        )


def _add_columns_since(cursor: Any, request: MonthRequest, new_table: sql.Identifier) -> None:
    """Give the new partition the columns that another month's load has added to the table since it was made."""
    made = existing_columns(cursor, _new_name(request))
    for name, kind in existing_columns(cursor, trips_table(request.dataset)).items():
        if name not in made:
            cursor.execute(sql.SQL("alter table {} add column {}").format(new_table, column_definition(name, *kind)))


def _replace_rejected(cursor: Any, request: MonthRequest, rejected: RejectedSpill) -> None:
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


def _new_name(request: MonthRequest) -> str:
    return f"{partition_table(request.dataset, request.month)}_new"


def _month(month: Month) -> sql.Composed:
    return sql.SQL("date {}").format(sql.Literal(str(month.first_day)))
