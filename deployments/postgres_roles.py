"""Who may do what in a Postgres with trips: flows load as ``tlc``, people read as ``tlc_reader``.

The ledger, what is made with it, and the database are not ``tlc``'s: what it owned, it could also change, drop, or free
of the trigger that refuses changes. All else belongs to ``tlc``, which makes it. What is so already takes no lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import encrypt_password, make_dsn

from blocks.postgres_reader import ROLE as READER
from flows.load.postgres import ensure_ledger
from flows.tlc.errors import TargetLocked

LOADER = "tlc"
READ_ALL = "grant pg_read_all_data to {reader}"

# tlc may make a schema with the administrator's name: a function there could fit better than the built-in one. And
# while a change of owner waits for a table, all others wait behind it.
_OPTIONS = "-c search_path=pg_catalog -c lock_timeout=10s"
_NOT_THE_LOADERS = {
    "database {database}": "select datdba from pg_database where datname = current_database()",
    "schema tlc": "select nspowner from pg_namespace where nspname = 'tlc'",
    "table tlc.loads": "select relowner from pg_class where oid = to_regclass('tlc.loads')",
    "table tlc.rejected_trips": "select relowner from pg_class where oid = to_regclass('tlc.rejected_trips')",
    "function tlc.keep_ledger()": "select proowner from pg_proc where oid = to_regprocedure('tlc.keep_ledger()')",
}
_GRANTS = """
grant create on database {database} to {loader};
grant usage, create on schema tlc to {loader};
grant select, insert on tlc.loads to {loader};
grant select, insert, delete on tlc.rejected_trips to {loader};
"""


@contextmanager
def transaction(url: str, **login: str) -> Iterator[psycopg2.extensions.cursor]:
    """A transaction in a session of its own. Raises SystemExit if somebody uses a table that has to change."""
    try:
        connection = psycopg2.connect(make_dsn(url, options=_OPTIONS, **login))
        with closing(connection), connection, connection.cursor() as cursor:
            yield cursor
    except (errors.LockNotAvailable, TargetLocked) as error:
        said = str(error).strip()
        raise SystemExit(f"{said}\nIn pg_stat_activity is who uses it; run this again when that has ended.") from None


def execute(cursor: psycopg2.extensions.cursor, statements: str) -> None:
    """Run SQL in which ``{database}``, ``{loader}`` and ``{reader}`` stand for the names."""
    names = {"database": cursor.connection.info.dbname, "loader": LOADER, "reader": READER}
    cursor.execute(sql.SQL(statements).format(**{name: sql.Identifier(value) for name, value in names.items()}))


def make_role(cursor: psycopg2.extensions.cursor, name: str, password: str) -> None:
    """Have a role that logs in with the password, in the transaction under way."""
    role = sql.Identifier(name)
    cursor.execute("select from pg_roles where rolname = %s", (name,))
    if not cursor.rowcount:
        cursor.execute(sql.SQL("create role {}").format(role))
    # The server is sent a hash: no log of it can have the password.
    hashed = encrypt_password(password, name, cursor.connection, "scram-sha-256")
    cursor.execute(sql.SQL("alter role {} login password %s").format(role), (hashed,))


def make_reader(cursor: psycopg2.extensions.cursor, password: str, rights: str = READ_ALL) -> None:
    """Have the role that reads, with ``rights``, in the transaction under way."""
    make_role(cursor, READER, password)
    execute(cursor, rights)
    # A month cannot be replaced while somebody's forgotten transaction holds its table: loads give up after ten.
    execute(cursor, "alter role {reader} set idle_in_transaction_session_timeout = '5min'")


def protect_ledger(cursor: psycopg2.extensions.cursor) -> None:
    """Have the ledger, which ``tlc`` may read and add to, also if a dump has brought another owner. Commits first."""
    ensure_ledger(cursor.connection)
    for owned, owner in _NOT_THE_LOADERS.items():
        cursor.execute(f"select pg_has_role(%s, ({owner}), 'member')", (LOADER,))
        if cursor.fetchone() == (True,):
            execute(cursor, f"alter {owned} owner to current_user")
    execute(cursor, _GRANTS)
