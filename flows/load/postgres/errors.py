"""What Postgres and psycopg2 raise, as this project's errors with the next step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg2.extensions
from psycopg2 import errors

from flows.tlc.errors import TargetError, TargetLocked, TargetUnavailable

# What a wait for a lock ends with: our own timeout, or the server choosing us to break a deadlock.
LOCK_NOT_GIVEN = (errors.LockNotAvailable, errors.DeadlockDetected)


@contextmanager
def postgres_errors(undone: str = "the month is as it was") -> Iterator[None]:
    """Raise TargetError, TargetLocked or TargetUnavailable for what goes wrong in Postgres inside.

    ``undone`` says, for people, what has become of what was not committed.
    """
    try:
        yield
    except LOCK_NOT_GIVEN as error:
        raise TargetLocked(
            f"Postgres: {_first_line(error)}. Run again when the long queries on it have ended."
        ) from error
    except errors.DiskFull as error:
        raise TargetUnavailable(
            f"Postgres has no disk space left ({_first_line(error)}); {undone}. Free some and run again."
        ) from error
    except errors.ReadOnlySqlTransaction as error:  # a standby that is about to take over, or for good
        raise TargetUnavailable(
            f"Postgres takes no writes ({_first_line(error)}); {undone}. If the block tlc-postgres names a standby, "
            "name the primary, else look for default_transaction_read_only; run again."
        ) from error
    except errors.QueryCanceled as error:
        raise TargetError(
            f"Postgres ended a statement ({_first_line(error)}); {undone}. If that is statement_timeout, "
            "raise it for the user of the block tlc-postgres: a COPY takes minutes."
        ) from error
    except errors.InsufficientPrivilege as error:
        raise TargetError(
            f"Postgres refuses: {_first_line(error)}. Grant it to the user of the block tlc-postgres."
        ) from error
    except psycopg2.Error as error:
        if is_connection_lost(error):
            raise TargetUnavailable(
                f"Postgres is out of reach or went away ({_first_line(error)}); {undone}. Check the block "
                "tlc-postgres and the server, and run again."
            ) from error
        raise TargetError(f"Postgres: {_first_line(error)}. {undone.capitalize()}.") from error


def is_connection_lost(error: psycopg2.Error) -> bool:
    """Whether the server is out of reach or went away, so that it may work later.

    The client's own errors have no SQLSTATE. For some of a broken connection psycopg2 has no class but the base.
    """
    if type(error) is psycopg2.DatabaseError:
        return error.pgcode is None
    return isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)


@contextmanager
def transaction(connection: psycopg2.extensions.connection) -> Iterator[None]:
    """Commit at the end, or roll back; what broke it off comes out as itself, also if the connection is gone.

    (Of psycopg2's own ``with connection`` the failed rollback would come out instead.)
    """
    try:
        yield
    except BaseException:
        with suppress(psycopg2.Error):
            connection.rollback()
        raise
    connection.commit()


def _first_line(error: psycopg2.Error) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
