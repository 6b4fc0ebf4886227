"""Locks in Postgres: one load of a month at a time, and exclusive locks too short for readers to queue up behind."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg2.extensions
from psycopg2 import sql

from flows.load.postgres.errors import LOCK_NOT_GIVEN
from flows.tlc.errors import TargetLocked


@dataclass(frozen=True)
class LockTimeouts:
    """How long to wait for a table that readers hold, in seconds.

    ``lock``: how long one try may keep new readers queued behind it; ``pause``: how long they go free before the next
    try; ``total``: when to give up.
    """

    lock: float = 1.5  # over Postgres' deadlock_timeout of 1 s, after which an autovacuum in the way gives up
    pause: float = 2.0
    total: float = 600.0


def advisory_lock(cursor: psycopg2.extensions.cursor, name: str) -> None:
    """Wait until no other transaction holds ``name``, then hold it to this one's end (also after a kill: the server
    ends the transaction of a client that is gone)."""
    cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"tlc:{name}",))


@contextmanager
def holding_locks(
    cursor: psycopg2.extensions.cursor,
    table: sql.Composable,
    waiting: LockTimeouts,
    *,
    exclusive: bool = True,
    partition: sql.Composable | None = None,
    descend: bool = False,
) -> Iterator[None]:
    """Hold the lock on ``table`` that changing its partitions needs, in the transaction under way.

    With ``partition`` hold one on that too: some read it directly, and the server itself vacuums it. With ``descend``
    on every partition, which a new column needs.

    Exclusive waits for those who read ``table``, and those who come meanwhile wait behind us: so each try is short,
    and between two tries the readers go on. Raises TargetLocked after ``waiting.total`` seconds.
    """
    mode = sql.SQL("access exclusive" if exclusive else "share update exclusive")
    tables = [table] if partition is None else [table, partition]
    locked = sql.SQL(", ").join(sql.SQL("{}" if descend else "only {}").format(each) for each in tables)
    deadline = time.monotonic() + waiting.total
    cursor.execute("set local lock_timeout = %s", (f"{int(waiting.lock * 1000)}ms",))
    while True:
        cursor.execute("savepoint before_lock")
        try:
            cursor.execute(sql.SQL("lock table {} in {} mode").format(locked, mode))
            break
        except LOCK_NOT_GIVEN as error:
            cursor.execute("rollback to savepoint before_lock")
            if time.monotonic() > deadline:
                raise TargetLocked(
                    f"{table.as_string(cursor)} was in use for {waiting.total:.0f} s without a gap. Look for long "
                    "queries in pg_stat_activity, and run again when they have ended: the month is as it was."
                ) from error
            time.sleep(random.uniform(0.5, 1.5) * waiting.pause)  # noqa: S311 - no secret
    yield
    cursor.execute("release savepoint before_lock")
