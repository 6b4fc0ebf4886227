"""What building models needs of Postgres: the tables that they read, the lock, what their months were built from."""

from __future__ import annotations

import psycopg2.extensions
from psycopg2 import sql

from flows.decide.models import ModelBuild
from flows.load.postgres.codes import replace_codes
from flows.load.postgres.errors import postgres_errors
from flows.load.postgres.locks import LockTimeouts, holding_locks
from flows.load.postgres.tables import add_columns, ensure_tables, fetch_value, missing_columns, table_name
from flows.tlc.codes import schema_codes, zone_rows
from flows.tlc.dataset import Dataset
from flows.tlc.locations import MARTS, MODEL_BUILDS, SCHEMA, trips_table
from flows.tlc.schema import schema_of

_MARTS_SCHEMA = f"{SCHEMA}_{MARTS}"


def ensure_sources(connection: psycopg2.extensions.connection, waiting: LockTimeouts | None = None) -> None:
    """Make the tables that no load has made yet, and add the columns that older versions did not have."""
    waiting = waiting or LockTimeouts()
    with postgres_errors():
        for dataset in Dataset:
            ensure_tables(connection, dataset, waiting)
            schema = schema_of(dataset)
            with connection, connection.cursor() as cursor:
                if missing_columns(cursor, schema):
                    with holding_locks(cursor, table_name(trips_table(dataset)), waiting, descend=True):
                        add_columns(cursor, schema)
        replace_codes(connection, [*schema_codes(), zone_rows()])


def lock_models(connection: psycopg2.extensions.connection) -> None:
    """Wait until nobody else builds models in this database, and keep others from it until the connection ends."""
    with postgres_errors(), connection, connection.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(hashtextextended('tlc:models', 0))")


def read_builds(connection: psycopg2.extensions.connection) -> list[ModelBuild]:
    """What each month of the marts was built from; nothing of a mart that is not there any more."""
    with postgres_errors(), connection, connection.cursor() as cursor:
        cursor.execute("select to_regclass(%s)", (f"{_MARTS_SCHEMA}.{MODEL_BUILDS}",))
        if fetch_value(cursor) is None:
            return []
        cursor.execute(
            sql.SQL(
                "select model, dataset, to_char(source_month, 'YYYY-MM'), loaded_at, version from {} "
                "where model in (select table_name from information_schema.tables where table_schema = %s)"
            ).format(sql.Identifier(_MARTS_SCHEMA, MODEL_BUILDS)),
            (_MARTS_SCHEMA,),
        )
        return [ModelBuild(*row) for row in cursor.fetchall()]
