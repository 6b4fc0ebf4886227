"""The roles of the database ``tlc`` on Cloud SQL; ``terraform/roles.sh`` runs it as ``postgres``, no superuser.

A user made by Google's API (Terraform, gcloud) is a member of ``cloudsqlsuperuser``, which owns every database, and
``postgres`` may not take that away. A role that ``postgres`` makes never was one. Running it again changes nothing but
the passwords.
"""

from __future__ import annotations

import os

from deployments.postgres_roles import LOADER, execute, make_reader, make_role, protect_ledger, transaction

# By default everybody may connect to every database. Who made a role may only manage it: to say what of the loader's
# can be read takes its rights, too.
_LOADER_RIGHTS = """
revoke all on database {database} from public;
grant connect, temporary on database {database} to {loader};
grant {loader} to current_user;
"""
_READER_RIGHTS = """
grant connect on database {database} to {reader};
grant usage on schema tlc to {reader};
grant select on tlc.loads, tlc.rejected_trips to {reader};
alter default privileges for role {loader} grant usage on schemas to {reader};
alter default privileges for role {loader} grant select on tables to {reader};
"""
_OWNS_ALL = "select from pg_auth_members where member = to_regrole(%s) and roleid = to_regrole('cloudsqlsuperuser')"
_MADE_BY_API = f"""The user {LOADER} was made by an older version: as cloudsqlsuperuser it owns all databases.
Save the ledger if it matters. Delete database and user, both {LOADER} (gcloud sql databases delete, gcloud sql users
delete), then run terraform apply and roles.sh, and load the months again."""


def main() -> None:
    """Have roles, with the passwords of the environment, ledger and rights; SystemExit if Google's API made ``tlc``."""
    with transaction(os.environ["TLC_DB_ADMIN_URL"]) as cursor:
        cursor.execute("alter role current_user password null")  # nobody logs in by it any more
        cursor.connection.commit()
        cursor.execute(_OWNS_ALL, (LOADER,))
        if cursor.rowcount:
            raise SystemExit(_MADE_BY_API)
        make_role(cursor, LOADER, os.environ["TLC_DB_PASSWORD"])
        execute(cursor, _LOADER_RIGHTS)
        # The server's database, if a server is made here.
        cursor.execute("select from pg_database where datname = 'prefect'")
        if cursor.rowcount:
            cursor.execute("revoke all on database prefect from public")
        protect_ledger(cursor)
        make_reader(cursor, os.environ["TLC_DB_READ_PASSWORD"], _READER_RIGHTS)


if __name__ == "__main__":
    main()
