"""The tables of schema ``tlc_stream``: events of every dataset in one, how far topics are read, what was rejected.

And two answers as views: trips by zone in windows of five minutes, and sessions of a zone.
"""

from __future__ import annotations

import psycopg2.extensions
from psycopg2 import sql

from flows.load.postgres.errors import transaction
from flows.load.postgres.locks import advisory_lock
from flows.load.postgres.tables import column_definition, ensure_schema, existing_columns, fetch_value
from flows.tlc.column import Column
from flows.tlc.dataset import Dataset
from flows.tlc.schema import schema_of

SCHEMA = "tlc_stream"
TRIPS, OFFSETS, REJECTED = (sql.Identifier(SCHEMA, name) for name in ("trips", "offsets", "rejected_events"))
_NAMES = {"trips": TRIPS, "offsets": OFFSETS, "rejected": REJECTED}

_TABLES = """
create table {trips} (
    topic text not null,
    partition integer not null,
    event_offset bigint not null,
    event_id text not null,
    arrived_at timestamptz not null default clock_timestamp(),
    dataset text not null,
    {columns},
    primary key (topic, event_id)
);
comment on table {trips} is 'A row an event. event_id is the same however often the event is sent.';
create table {offsets} (
    topic text,
    partition integer,
    next_offset bigint not null,
    topic_id text not null,
    read_at timestamptz not null default clock_timestamp(),
    primary key (topic, partition)
);
comment on table {offsets} is 'How far each partition is read: written with the events, in one transaction.';
create table {rejected} (
    topic text,
    topic_id text,
    partition integer,
    event_offset bigint,
    rule text not null,
    detail text,
    event text not null,
    arrived_at timestamptz not null default clock_timestamp(),
    primary key (topic, topic_id, partition, event_offset)
);
comment on table {rejected} is 'Every event that is no trip, as it came, and the rule that says why.';
"""

_VIEWS = """
create or replace view {schema}.zone_windows as
select topic, dataset, pu_location_id, date_bin('5 minutes', {pickup}, timestamp '2001-01-01') as window_start,
    count(*) as trips, sum(total_amount) as total_amount
from {trips} group by 1, 2, 3, 4;
comment on view {schema}.zone_windows is 'Trips by pickup zone in windows of five minutes.';
create or replace view {schema}.zone_sessions as
select topic, dataset, pu_location_id, min(pickup) as session_start, max(pickup) as session_end, count(*) as trips
from (
    select *, count(*) filter (where pickup > before + interval '5 minutes') over (
        partition by topic, dataset, pu_location_id order by pickup
    ) as session
    from (
        select topic, dataset, pu_location_id, {pickup} as pickup, lag({pickup}) over (
            partition by topic, dataset, pu_location_id order by {pickup}
        ) as before
        from {trips}
    ) as by_zone
) as numbered
group by topic, dataset, pu_location_id, session;
comment on view {schema}.zone_sessions is 'Trips of a zone, each picked up within five minutes of another.';
"""


def ensure_tables(connection: psycopg2.extensions.connection) -> None:
    """Make what is missing, columns that a schema file got meanwhile too; commits."""
    with transaction(connection), connection.cursor() as cursor:
        advisory_lock(cursor, "stream tables")  # two first runs at once
        ensure_schema(cursor, SCHEMA)
        cursor.execute("select to_regclass(%s)", (f"{SCHEMA}.trips",))
        if fetch_value(cursor) is None:
            definitions = [_definition(column) for column in trip_columns()]
            cursor.execute(sql.SQL(_TABLES).format(columns=sql.SQL(",\n    ").join(definitions), **_NAMES))
            cursor.execute(sql.SQL(_VIEWS).format(pickup=_pickup(), schema=sql.Identifier(SCHEMA), **_NAMES))
        existing = existing_columns(cursor, "trips", SCHEMA)
        for column in trip_columns():
            if column.name not in existing:
                cursor.execute(sql.SQL("alter table {} add column {}").format(TRIPS, _definition(column)))


def trip_columns() -> list[Column]:
    """The columns that any dataset has, in the order of their first: of one name they are of one type."""
    found: dict[str, Column] = {}
    for dataset in Dataset:
        for column in schema_of(dataset).columns:
            assert found.setdefault(column.name, column).type == column.type, column.name
    return list(found.values())


def _definition(column: Column) -> sql.Composed:
    return column_definition(column.name, column.postgres, False)


def _pickup() -> sql.Composed:
    """The pickup time, whatever its dataset calls it."""
    names = dict.fromkeys(column.name for each in Dataset if (column := schema_of(each).role("pickup")))
    return sql.SQL("coalesce({})").format(sql.SQL(", ").join(map(sql.Identifier, names)))
