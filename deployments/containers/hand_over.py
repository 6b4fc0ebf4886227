"""A database whose superuser was ``tlc``, as this project's compose file made it until 0.1.0, for ``roles``: once.

The superuser that initdb made can't lose its rights, so it is renamed ``postgres``, and a new ``tlc`` gets all else.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2.extensions
from psycopg2 import sql
from psycopg2.extensions import make_dsn, parse_dsn

from deployments.containers.roles import LOADER, ONLY_BUILT_IN, arrange, make_loader, set_password

# Nobody can rename the role that asks: another superuser does, for the moment.
_HELPER = "tlc_hand_over"

# What is not the system's, an extension's, or the ledger's.
_GIVE_SCHEMAS = """
select format('alter schema %I owner to tlc', nspname) from pg_namespace
where nspname !~ '^pg_' and nspname not in ('information_schema', 'public', 'tlc')
"""
_GIVE_RELATIONS = """
select format('alter table %s owner to tlc', c.oid::regclass) from pg_class c
join pg_namespace n on n.oid = relnamespace
where nspname !~ '^pg_' and nspname <> 'information_schema' and c.oid is distinct from to_regclass('tlc.loads')
  and (relkind in ('r', 'p', 'v', 'm', 'f') or relkind = 'S' and not exists (
    select from pg_depend where objid = c.oid and classid = 'pg_class'::regclass and deptype in ('a', 'i')))
  and not exists (select from pg_depend where objid = c.oid and classid = 'pg_class'::regclass and deptype = 'e')
"""
_GIVE_ROUTINES = """
select format('alter routine %s owner to tlc', p.oid::regprocedure) from pg_proc p
join pg_namespace n on n.oid = pronamespace
where nspname !~ '^pg_' and nspname <> 'information_schema' and (nspname, proname) <> ('tlc', 'keep_ledger')
  and not exists (select from pg_depend where objid = p.oid and classid = 'pg_proc'::regclass and deptype = 'e')
"""


def main() -> None:
    """Hand over, then make the roles."""
    admin_url, password = os.environ["TLC_DB_ADMIN_URL"], os.environ["TLC_DB_PASSWORD"]
    hand_over(admin_url, password)
    arrange(admin_url, password, os.environ["TLC_DB_READ_PASSWORD"])


def hand_over(admin_url: str, password: str) -> None:
    """Have ``tlc`` lose its rights as superuser to the role and password of ``admin_url``, and keep its tables."""
    admin = parse_dsn(admin_url)
    helper, helper_password = sql.Identifier(_HELPER), secrets.token_hex(16)
    with _transaction(admin, LOADER, password) as cursor:
        cursor.execute(sql.SQL("drop role if exists {}").format(helper))
        cursor.execute(sql.SQL("create role {} superuser login").format(helper))
        set_password(cursor, _HELPER, helper_password)
    with _transaction(admin, _HELPER, helper_password) as cursor:
        renamed = sql.SQL("alter role {} rename to {}")
        cursor.execute(renamed.format(sql.Identifier(LOADER), sql.Identifier(admin["user"])))
        set_password(cursor, admin["user"], admin["password"])
        make_loader(cursor, password)
        _give_away(cursor)
    with _transaction(admin, admin["user"], admin["password"]) as cursor:
        cursor.execute(sql.SQL("drop role {}").format(helper))


@contextmanager
def _transaction(admin: dict[str, str], user: str, password: str) -> Iterator[psycopg2.extensions.cursor]:
    """As another user of the same database."""
    place = make_dsn(**admin | {"user": user, "password": password})
    with (
        closing(psycopg2.connect(place, options=ONLY_BUILT_IN)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        yield cursor


def _give_away(cursor: psycopg2.extensions.cursor) -> None:
    for select in (_GIVE_SCHEMAS, _GIVE_RELATIONS, _GIVE_ROUTINES):
        cursor.execute(select)
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)


if __name__ == "__main__":
    main()
