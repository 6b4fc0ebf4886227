"""The table ``tlc.zones``."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg2.extensions
from psycopg2 import sql
from psycopg2.extras import execute_values

from flows.extract.read.zones import Zone
from flows.load.postgres.errors import postgres_errors
from flows.load.postgres.tables import fetch_value, table_name


def has_zones(connection: psycopg2.extensions.connection) -> bool:
    """Whether the zones are loaded."""
    with postgres_errors(), connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("select exists (select from {})").format(table_name("zones")))
        return bool(fetch_value(cursor))


def add_zones(connection: psycopg2.extensions.connection, zones: Sequence[Zone]) -> None:
    """Put ``zones`` in the table; commits. Those that are there already stay as they are."""
    statement = sql.SQL(
        "insert into {} (location_id, borough, zone, service_zone) values %s on conflict do nothing"
    ).format(table_name("zones"))
    rows = [(zone.location_id, zone.borough, zone.zone, zone.service_zone) for zone in zones]
    with postgres_errors(), connection, connection.cursor() as cursor:
        execute_values(cursor, statement, rows)
