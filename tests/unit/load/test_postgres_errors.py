"""What psycopg2 raises when a server goes away is an error that a later try may get over."""

from __future__ import annotations

import psycopg2
import psycopg2.errors
import pytest

from flows.load.postgres.errors import postgres_errors
from flows.tlc.errors import TargetError, TargetUnavailable


def with_state(state: str) -> psycopg2.Error:
    error = psycopg2.DatabaseError("a class that psycopg2 does not know")
    error.__setstate__({"pgcode": state, "pgerror": None})
    return error


@pytest.mark.parametrize(
    ("raised", "becomes"),
    [
        # Met by a reader whose server was killed: of the base class, without a SQLSTATE.
        (psycopg2.DatabaseError("server closed the connection unexpectedly"), TargetUnavailable),
        (psycopg2.OperationalError("connection refused"), TargetUnavailable),
        (psycopg2.InterfaceError("connection already closed"), TargetUnavailable),
        (psycopg2.errors.AdminShutdown("terminating connection"), TargetUnavailable),
        (with_state("ZZ000"), TargetError),
        (psycopg2.ProgrammingError("can't adapt type"), TargetError),
        (psycopg2.errors.UndefinedTable("no such table"), TargetError),
    ],
)
def test_lost_connection_is_no_lasting_error(raised: psycopg2.Error, becomes: type[TargetError]) -> None:
    with pytest.raises(TargetError) as found, postgres_errors():
        raise raised
    assert type(found.value) is becomes
