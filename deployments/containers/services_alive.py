"""Exit code 0 if the server's background services of this container work: they have no port to check.

They report to Redis every few seconds, under the name of their host; one that misses several is removed there.
"""

from __future__ import annotations

import asyncio
import socket

from docket import Docket
from prefect.settings import get_current_settings

# The name that Prefect's services give their docket; the setting server.docket.name does not change it.
DOCKET = "prefect"


async def reporting_workers() -> set[str]:
    """The docket workers that reported lately, as ``host#pid``."""
    async with Docket(name=DOCKET, url=get_current_settings().server.docket.url) as docket:
        return {worker.name for worker in await docket.workers()}


def main() -> None:
    """Check once; the error names those that did report."""
    workers = asyncio.run(reporting_workers())
    host = socket.gethostname()
    if not any(name.startswith(f"{host}#") for name in workers):
        raise SystemExit(f"no services of {host} report to Redis, only {sorted(workers) or 'nobody'}")


if __name__ == "__main__":
    main()
