"""Who may do what in data-postgres: flows load as ``tlc``, people read as ``tlc_reader``, neither changes the ledger.

The ledger and its schema belong to the superuser ``postgres``: what ``tlc`` owned, it could also change, drop, or free
of the trigger that refuses changes. All else belongs to ``tlc``, which makes it. Runs at each start, without harm.
"""

from __future__ import annotations

import os
from contextlib import closing

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from deployments.reader_role import make_reader
from flows.load.postgres import ensure_ledger

LOADER = "tlc"
# tlc may make a schema named postgres: without this, the superuser would look there for a function that fits better.
ONLY_BUILT_IN = "-c search_path=pg_catalog"

_GRANTS = """
grant create on database {database} to {loader};
grant usage, create on schema tlc to {loader};
grant select, insert on tlc.loads to {loader};
alter table if exists tlc.rejected_trips owner to {loader};
"""


def main() -> None:
    """Make the roles, with the passwords of the environment, and the ledger."""
    try:
        arrange(os.environ["TLC_DB_ADMIN_URL"], os.environ["TLC_DB_PASSWORD"], os.environ["TLC_DB_READ_PASSWORD"])
    except psycopg2.OperationalError as error:
        raise SystemExit(
            f"{str(error).strip()}\nIf tlc was the superuser of this database until now: docs/server.md, Afterwards."
        ) from None


def arrange(admin_url: str, loader_password: str, reader_password: str) -> None:
    """Have roles, ledger and rights as the module says; changes nothing that is so already."""
    with closing(psycopg2.connect(admin_url, options=ONLY_BUILT_IN)) as connection:
        with connection, connection.cursor() as cursor:
            make_loader(cursor, loader_password)
        ensure_ledger(connection)
        with connection, connection.cursor() as cursor:
            database = sql.Identifier(connection.info.dbname)
            cursor.execute(sql.SQL(_GRANTS).format(database=database, loader=sql.Identifier(LOADER)))
        make_reader(connection, reader_password)


def make_loader(cursor: psycopg2.extensions.cursor, password: str) -> None:
    """The role of the flows, with its password, in the transaction under way."""
    loader = sql.Identifier(LOADER)
    cursor.execute("select from pg_roles where rolname = %s", (LOADER,))
    if not cursor.rowcount:
        cursor.execute(sql.SQL("create role {}").format(loader))
    set_password(cursor, LOADER, password)
    cursor.execute(sql.SQL("alter role {} login nosuperuser").format(loader))


def set_password(cursor: psycopg2.extensions.cursor, role: str, password: str) -> None:
    """Send the server a hash: no log of it can have the password."""
    hashed = encrypt_password(password, role, cursor.connection, "scram-sha-256")
    cursor.execute(sql.SQL("alter role {} password %s").format(sql.Identifier(role)), (hashed,))


if __name__ == "__main__":
    main()
