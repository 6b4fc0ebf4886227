"""Exit code 0 if the server's background services of this container work: they have no port to check.

They report to Redis every few seconds, under the name of their host; one that misses several is removed there. With the
argument FILE, services that did not report for long are ended (see ``restart``), unless it is Redis that is lost.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

from docket import Docket
from prefect.settings import get_current_settings
from redis.exceptions import RedisError

from deployments.containers import restart

# The name that Prefect's services give their docket; the setting server.docket.name does not change it.
DOCKET = "prefect"


async def reporting_workers() -> set[str]:
    """The docket workers that reported lately, as ``host#pid``."""
    async with Docket(name=DOCKET, url=get_current_settings().server.docket.url) as docket:
        return {worker.name for worker in await docket.workers()}


def main(noted: Path | None = None) -> None:
    """Check once; the error names those that did report."""
    host = socket.gethostname()
    try:
        workers = asyncio.run(reporting_workers())
    except RedisError as error:
        workers, is_hung, reason = set(), False, f"Redis does not answer: {error}"
    else:
        is_hung = not any(name.startswith(f"{host}#") for name in workers)
        reason = f"no services of {host} report to Redis, only {sorted(workers) or 'nobody'}" if is_hung else ""
    if noted:
        (restart.failed if is_hung else restart.well)(noted)
    if reason:
        raise SystemExit(reason)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
