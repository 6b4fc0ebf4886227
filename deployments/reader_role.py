"""The role as which people and their programs read a Postgres."""

from __future__ import annotations

import psycopg2.extensions
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from blocks.postgres_reader import ROLE


def make_reader(connection: psycopg2.extensions.connection, password: str) -> None:
    """Give the role its password and the right to read every table and view, those to come included; commits."""
    with connection, connection.cursor() as cursor:
        _make_role(cursor)
        # The server is sent a hash: no log of it can have the password.
        hashed = encrypt_password(password, ROLE, connection, "scram-sha-256")
        cursor.execute(sql.SQL("alter role {} login password %s").format(sql.Identifier(ROLE)), (hashed,))


def _make_role(cursor: psycopg2.extensions.cursor) -> None:
    name = sql.Identifier(ROLE)
    cursor.execute("select from pg_roles where rolname = %s", (ROLE,))
    if not cursor.rowcount:
        cursor.execute(sql.SQL("create role {}").format(name))
    cursor.execute(sql.SQL("grant pg_read_all_data to {}").format(name))
    # A month cannot be replaced while somebody's forgotten transaction holds its table: loads give up after ten.
    cursor.execute(sql.SQL("alter role {} set idle_in_transaction_session_timeout = '5min'").format(name))
