"""What failed by the log of Prefect's server: of itself, or because two writes met in SQLite."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_ENTRY = re.compile(r"^(?=\d\d:\d\d:\d\d\.\d{3} \| )", re.MULTILINE)
_FAILURE = re.compile(r"^\S+ \| (ERROR|CRITICAL)")
# Where Prefect reads before it writes, in one transaction: SQLite refuses that at once if somebody wrote in between,
# whatever it is told about waiting. The counters of the automations, a worker's sign of life, and the record of task
# runs (as long as it tries again).
_READS_BEFORE_IT_WRITES = (
    re.compile(r"Failed in consume_loop.*automation_bucket", re.DOTALL),
    re.compile(r"Worker channel heartbeat persistence failed"),
    re.compile(r"Error flushing \d+ events \(\d+ to retry, 0 dropped\)"),
    re.compile(r"docket\.dependencies - .*mark_work_queues_ready", re.DOTALL),  # the next poll of a worker does it
)


@dataclass(frozen=True)
class ServerLog:
    """Entries of the log, tracebacks included."""

    errors: list[str]
    locked: list[str]
    # Prefect tries an event four times with an automation, then leaves it.
    events_given_up: list[str]

    @classmethod
    def read(cls, file: Path) -> ServerLog:
        entries = _ENTRY.split(file.read_text(encoding="utf-8"))
        failures = [entry for entry in entries if _FAILURE.match(entry) and not _is_of_a_client_that_is_gone(entry)]
        locked = [entry for entry in failures if _is_known(entry)]
        given_up = [entry for entry in entries if "moved to the dead letter queue" in entry]
        return cls([entry for entry in failures if entry not in locked], locked, given_up)


def _is_of_a_client_that_is_gone(failure: str) -> bool:
    """What the web server says when the client of a websocket was killed: the tests kill some."""
    gone = failure.rstrip().endswith(("WebSocketDisconnect", "ClientDisconnected"))
    return "uvicorn.error - Exception in ASGI application" in failure and gone


def _is_known(failure: str) -> bool:
    return "database is locked" in failure and any(path.search(failure) for path in _READS_BEFORE_IT_WRITES)
