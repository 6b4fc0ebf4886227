"""What failed by the log of Prefect's server."""

from __future__ import annotations

import re
from pathlib import Path

_ENTRY = re.compile(r"^(?=\d\d:\d\d:\d\d\.\d{3} \| )", re.MULTILINE)
_FAILURE = re.compile(r"^\S+ \| (ERROR|CRITICAL)")
# Prefect tries an event four times with an automation, then leaves it.
_EVENT_GIVEN_UP = "moved to the dead letter queue"


def server_errors(log: Path) -> list[str]:
    """Entries of the log that tell of a failure, tracebacks included."""
    entries = _ENTRY.split(log.read_text(encoding="utf-8"))
    return [
        entry
        for entry in entries
        if (_FAILURE.match(entry) and not _is_of_a_client_that_is_gone(entry)) or _EVENT_GIVEN_UP in entry
    ]


def _is_of_a_client_that_is_gone(failure: str) -> bool:
    """What the web server says when the client of a websocket was killed: the tests kill some."""
    gone = failure.rstrip().endswith(("WebSocketDisconnect", "ClientDisconnected"))
    return "uvicorn.error - Exception in ASGI application" in failure and gone
