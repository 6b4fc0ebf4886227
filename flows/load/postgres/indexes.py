"""The indexes and constraints of a dataset's table, also those that others gave it, on a month's new partition.

They are made before the swap, where no one waits for them: ATTACH takes over what it finds, and would build the rest
itself, under the lock that readers wait for. Without the table's checks it refuses a partition.
"""

from __future__ import annotations

import psycopg2.extensions
from psycopg2 import sql

from flows.load.postgres.tables import table_name
from flows.tlc.locations import SCHEMA

# The definition is what follows "on <table>". Looking into the catalogue takes no lock on the table.
_INDEXES = """
select i.relname, x.indisunique, substr(pg_get_indexdef(i.oid), 1 + length(format(
    'CREATE %%sINDEX %%I ON ONLY %%I.%%I ',
    case when x.indisunique then 'UNIQUE ' else '' end, i.relname, n.nspname, t.relname
)))
from pg_index x
join pg_class i on i.oid = x.indexrelid
join pg_class t on t.oid = x.indrelid
join pg_namespace n on n.oid = t.relnamespace
where x.indrelid = %s::regclass
and not exists (select from pg_constraint where conindid = i.oid and contype in ('p', 'u', 'x'))
order by i.oid
"""
# ATTACH knows a check by its name; primary keys and unique constraints have an index, whose name has to be free.
# Foreign keys last: they lock the table that they point to until the end of the transaction.
_CONSTRAINTS = """
select case when contype in ('c', 'f') then conname end, pg_get_constraintdef(oid)
from pg_constraint
where conrelid = %s::regclass and contype in ('c', 'p', 'u', 'x', 'f')
order by contype = 'f', oid
"""


def make_indexes(cursor: psycopg2.extensions.cursor, table: str, new: str) -> None:
    """Give ``new`` the indexes and constraints of ``table``; the index ``<table>_pickup`` becomes ``<new>_pickup``."""
    cursor.execute(_INDEXES, (f"{SCHEMA}.{table}",))
    for name, is_unique, definition in cursor.fetchall():
        create = sql.SQL("create unique index {} on {} {}" if is_unique else "create index {} on {} {}")
        own_name = sql.Identifier(f"{new}_pickup") if name == f"{table}_pickup" else sql.SQL("")
        cursor.execute(create.format(own_name, table_name(new), sql.SQL(definition)))
    cursor.execute(_CONSTRAINTS, (f"{SCHEMA}.{table}",))
    for name, definition in cursor.fetchall():
        named = sql.SQL("constraint {}").format(sql.Identifier(name)) if name else sql.SQL("")
        add = sql.SQL("alter table {} add {} {}")
        cursor.execute(add.format(table_name(new), named, sql.SQL(definition)))


def rename_indexes(cursor: psycopg2.extensions.cursor, new: str, name: str) -> None:
    """Have the indexes of the partition ``name`` called after it, which was called ``new`` when they were made."""
    cursor.execute(
        "select relname from pg_class join pg_index on indexrelid = oid "
        "where indrelid = %s::regclass and starts_with(relname, %s)",
        (f"{SCHEMA}.{name}", f"{new}_"),
    )
    for (index,) in cursor.fetchall():
        renamed = sql.Identifier(index.replace(new, name, 1))
        cursor.execute(sql.SQL("alter index {} rename to {}").format(table_name(index), renamed))
