"""A database whose superuser was ``tlc``, as this project's compose file made it until 0.1.0, for ``roles``: once.

The superuser that initdb made can't lose its rights, so it is renamed ``postgres``, and a new ``tlc`` gets all else.
"""

from __future__ import annotations

import os
import secrets

import psycopg2.extensions
from psycopg2 import sql
from psycopg2.extensions import parse_dsn

from deployments.containers.roles import HELPER, arrange
from deployments.postgres_roles import LOADER, execute, make_role, transaction

# What is not the system's or an extension's. The ledger goes back to the superuser when the roles are made.
_GIVE_SCHEMAS = """
select format('alter schema %I owner to {loader}', nspname) from pg_namespace
where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')
"""
_GIVE_RELATIONS = """
select format('alter table %s owner to {loader}', c.oid::regclass) from pg_class c
join pg_namespace n on n.oid = relnamespace
where nspname !~ '^pg_' and nspname <> 'information_schema'
  and (relkind in ('r', 'p', 'v', 'm', 'f') or relkind = 'S' and not exists (
    select from pg_depend where objid = c.oid and classid = 'pg_class'::regclass and deptype in ('a', 'i')))
  and not exists (select from pg_depend where objid = c.oid and classid = 'pg_class'::regclass and deptype = 'e')
"""
_GIVE_ROUTINES = """
select format('alter routine %s owner to {loader}', p.oid::regprocedure) from pg_proc p
join pg_namespace n on n.oid = pronamespace
where nspname !~ '^pg_' and nspname <> 'information_schema'
  and not exists (select from pg_depend where objid = p.oid and classid = 'pg_proc'::regclass and deptype = 'e')
"""


def main() -> None:
    """Hand over, then make the roles."""
    admin_url, password = os.environ["TLC_DB_ADMIN_URL"], os.environ["TLC_DB_PASSWORD"]
    hand_over(admin_url, password)
    arrange(admin_url, password, os.environ["TLC_DB_READ_PASSWORD"])


def hand_over(admin_url: str, password: str) -> None:
    """Have ``tlc`` lose its rights as superuser to the role and password of ``admin_url``, and keep its tables.

    Nobody can rename the role that asks: another superuser does, which ``arrange`` drops.
    """
    admin, helper_password = parse_dsn(admin_url), secrets.token_hex(16)
    with transaction(admin_url, user=LOADER, password=password) as cursor:
        cursor.execute("select from pg_roles where rolname = current_user and rolsuper")
        if not cursor.rowcount:
            return
        make_role(cursor, HELPER, helper_password)
        cursor.execute(f"alter role {HELPER} superuser")
    with transaction(admin_url, user=HELPER, password=helper_password) as cursor:
        renamed = sql.SQL("alter role {} rename to {}")
        cursor.execute(renamed.format(sql.Identifier(LOADER), sql.Identifier(admin["user"])))
        make_role(cursor, admin["user"], admin["password"])
        make_role(cursor, LOADER, password)
        _give_away(cursor)


def _give_away(cursor: psycopg2.extensions.cursor) -> None:
    for select in (_GIVE_SCHEMAS, _GIVE_RELATIONS, _GIVE_ROUTINES):
        execute(cursor, select)
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)


if __name__ == "__main__":
    main()
