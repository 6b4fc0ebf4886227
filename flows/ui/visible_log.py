"""Nothing in a log steers the terminal or the page that shows it, whichever logger and handler it goes through.

Errors of ours are visible text. Their causes are not, which tracebacks show: Arrow, DuckDB and psycopg quote names and
values. Records are escaped where they are made: a filter of a logger sees none of its children's, and Prefect puts
handlers of its own in place of those that are there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from flows.tlc.visible import visible_lines

_formatter = logging.Formatter()


def escape_logs() -> None:
    """Have what this process logs from now on as visible text; again and again without harm."""
    make = logging.getLogRecordFactory()
    if not isinstance(make, _VisibleRecords):
        logging.setLogRecordFactory(_VisibleRecords(make))


class _VisibleRecords:
    """Makes records with ``make``. Those that are visible text already stay as they are."""

    def __init__(self, make: Callable[..., logging.LogRecord]):
        self._make = make

    def __call__(self, *arguments: Any, **options: Any) -> logging.LogRecord:
        record = self._make(*arguments, **options)
        # Arguments that do not fit the message: the handlers tell it, and show them by repr.
        with suppress(Exception):
            message = record.getMessage()
            if (shown := visible_lines(message)) != message:
                record.msg, record.args = shown, None
        with suppress(Exception):  # an error that cannot be shown at all is the handlers' to tell, too
            if record.exc_info:
                traceback = _formatter.formatException(record.exc_info)
                if (shown := visible_lines(traceback)) != traceback:
                    record.exc_text = shown  # which formatters take if it is there
        return record
