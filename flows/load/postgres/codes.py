"""The tables of names in Postgres: ``tlc.zones`` and those of the codes, brought up to date in one transaction.

Readers see a table before or after, never between; those who do the same at once wait for each other by an advisory
lock and find it done. Rows are changed in place: views and foreign keys on the tables stay.
"""

from __future__ import annotations

from collections.abc import Iterable

import psycopg2.extensions
from psycopg2 import sql
from psycopg2.extras import execute_values

from flows.load.codes import comment_of, outdated, version_in
from flows.load.postgres.errors import postgres_errors, transaction
from flows.load.postgres.locks import advisory_lock
from flows.load.postgres.tables import column_definition, ensure_schema, table_name
from flows.tlc.codes import CodeRows, code_tables
from flows.tlc.locations import SCHEMA


def read_versions(connection: psycopg2.extensions.connection) -> dict[str, str]:
    """The version of each table of names that is there, by table; empty if it does not say."""
    with postgres_errors(), transaction(connection), connection.cursor() as cursor:
        return _versions(cursor)


def replace_codes(connection: psycopg2.extensions.connection, wanted: Iterable[CodeRows]) -> None:
    """Bring those of ``wanted`` that are out of date up to date, making missing tables; commits."""
    with postgres_errors(), transaction(connection), connection.cursor() as cursor:
        advisory_lock(cursor, "codes")
        ensure_schema(cursor, SCHEMA)
        versions = _versions(cursor)
        for rows in outdated(wanted, versions):
            if rows.name not in versions:
                cursor.execute(_create(rows))
            _replace_rows(cursor, rows)
            cursor.execute(_comments(rows))


def _versions(cursor: psycopg2.extensions.cursor) -> dict[str, str]:
    cursor.execute(
        "select relname, obj_description(pg_class.oid, 'pg_class') from pg_class "
        "join pg_namespace on pg_namespace.oid = relnamespace where nspname = %s and relname = any(%s)",
        (SCHEMA, [table.name for table in code_tables()]),
    )
    return {name: version_in(comment) for name, comment in cursor.fetchall()}


def _create(rows: CodeRows) -> sql.Composed:
    columns = [column_definition(column.name, column.postgres, column.required) for column in rows.table.columns]
    key = sql.Identifier(rows.table.key.name)
    return sql.SQL("create table {} ({}, primary key ({}))").format(
        table_name(rows.name), sql.SQL(", ").join(columns), key
    )


def _replace_rows(cursor: psycopg2.extensions.cursor, rows: CodeRows) -> None:
    table, key = table_name(rows.name), sql.Identifier(rows.table.key.name)
    cursor.execute(
        sql.SQL("delete from {} where not {} = any(%s)").format(table, key), ([row[0] for row in rows.rows],)
    )
    changes = [sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column.name)) for column in rows.table.columns[1:]]
    statement = sql.SQL("insert into {} ({}) values %s on conflict ({}) do update set {}").format(
        table, sql.SQL(", ").join(map(sql.Identifier, rows.table.names)), key, sql.SQL(", ").join(changes)
    )
    if rows.rows:
        execute_values(cursor, statement, rows.rows)


def _comments(rows: CodeRows) -> sql.Composed:
    table = table_name(rows.name)
    comments = [sql.SQL("comment on table {} is {}").format(table, sql.Literal(comment_of(rows)))]
    comments += [
        sql.SQL("comment on column {}.{} is {}").format(table, sql.Identifier(column.name), sql.Literal(column.comment))
        for column in rows.table.columns
    ]
    return sql.SQL(";\n").join(comments)
