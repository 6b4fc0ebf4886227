"""The roles of data-postgres, by its superuser ``postgres``. Runs at each start, without harm."""

from __future__ import annotations

import os

import psycopg2

from deployments.postgres_roles import LOADER, execute, make_reader, make_role, protect_ledger, transaction

# A superuser of hand_over's, for the moment.
HELPER = "tlc_hand_over"


def main() -> None:
    """Make the roles, with the passwords of the environment, and the ledger."""
    try:
        arrange(os.environ["TLC_DB_ADMIN_URL"], os.environ["TLC_DB_PASSWORD"], os.environ["TLC_DB_READ_PASSWORD"])
    except psycopg2.OperationalError as error:
        raise SystemExit(
            f"{str(error).strip()}\nIf tlc was the superuser of this database until now: docs/server.md, Afterwards."
        ) from None


def arrange(admin_url: str, loader_password: str, reader_password: str) -> None:
    """Have roles, ledger and rights; changes nothing that is so already."""
    with transaction(admin_url) as cursor:
        cursor.execute(f"drop role if exists {HELPER}")
        make_role(cursor, LOADER, loader_password)
        execute(cursor, "alter role {loader} nosuperuser")
        protect_ledger(cursor)
        make_reader(cursor, reader_password)


if __name__ == "__main__":
    main()
