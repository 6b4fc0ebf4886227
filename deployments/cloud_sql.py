"""Who may do what in the database ``tlc`` on Cloud SQL; ``terraform/roles.sh`` runs it as ``postgres``.

A user made by Google's API (Terraform, gcloud) is a member of ``cloudsqlsuperuser``, which owns every database, and
``postgres`` may not take that away. A role that ``postgres`` makes never was one. Running it again changes nothing but
the passwords.
"""

from __future__ import annotations

import os
from contextlib import closing

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from blocks.postgres_reader import ROLE as READER

LOADER = "tlc"

# By default everybody may connect to every database. Who made a role may only manage it: to say what of the loader's
# can be read takes its rights, too.
_RIGHTS = """
revoke all on database {database} from public;
grant connect, create, temporary on database {database} to {loader};
grant connect on database {database} to {reader};
grant {loader} to current_user;
alter default privileges for role {loader} grant usage on schemas to {reader};
alter default privileges for role {loader} grant select on tables to {reader};
alter role {reader} set idle_in_transaction_session_timeout = '5min';
"""


def main() -> None:
    """Make the roles with the passwords of the environment."""
    with closing(psycopg2.connect(os.environ["TLC_DB_ADMIN_URL"])) as connection, connection:
        arrange(connection, os.environ["TLC_DB_PASSWORD"], os.environ["TLC_DB_READ_PASSWORD"])


def arrange(connection: psycopg2.extensions.connection, loader_password: str, reader_password: str) -> None:
    """Have roles and rights as the module says, in the transaction under way."""
    with connection.cursor() as cursor:
        _make_role(cursor, LOADER, loader_password)
        _make_role(cursor, READER, reader_password)
        names = {"database": connection.info.dbname, "loader": LOADER, "reader": READER}
        cursor.execute(sql.SQL(_RIGHTS).format(**{name: sql.Identifier(value) for name, value in names.items()}))
        # The server's database, if a server is made here.
        cursor.execute("select from pg_database where datname = 'prefect'")
        if cursor.rowcount:
            cursor.execute("revoke all on database prefect from public")


def _make_role(cursor: psycopg2.extensions.cursor, name: str, password: str) -> None:
    role = sql.Identifier(name)
    cursor.execute("select from pg_roles where rolname = %s", (name,))
    if not cursor.rowcount:
        cursor.execute(sql.SQL("create role {} login").format(role))
    # A hash: the instance logs statements that define something, this one too.
    hashed = encrypt_password(password, name, cursor.connection, "scram-sha-256")
    cursor.execute(sql.SQL("alter role {} password %s").format(role), (hashed,))


if __name__ == "__main__":
    main()
