"""Log lines as JSON objects, for what collects logs: one line a record, whatever is in it.

Prefect's own formatter writes every attribute of a record, its message not yet put together. Prefect makes formatters
while it is imported, so that this module imports nothing of it.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

_OF_RUNS = ("flow_run_id", "flow_run_name", "flow_name", "task_run_id", "task_run_name")
_PARAMETERS = ("dataset", "month")


class JsonLines(logging.Formatter):
    """Time, level, logger and message; what the record knows of its run; the traceback if there is one.

    The arguments are those of Prefect's formatter: a format and its style, which JSON has no use for.
    """

    def __init__(self, *_: object) -> None:
        super().__init__()

    def format(self, record: logging.LogRecord) -> str:
        """The record in one line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: str(value) for name in _OF_RUNS if (value := getattr(record, name, None))},
            **dict(_run_parameters()),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _run_parameters() -> Iterator[tuple[str, str]]:
    """Which month of which dataset the flow that logs is about, if it is about one."""
    prefect: Any = sys.modules.get("prefect.context")
    flow_run = getattr(prefect, "FlowRunContext", None)
    context = flow_run.get() if flow_run else None
    for name in _PARAMETERS:
        if context and (value := (context.parameters or {}).get(name)):
            yield name, str(value)
