"""What Prefect's engine writes into a run's log, for who reads it: an error of ours is one sentence.

Its traceback says nothing to a user, since the message says what to do: it is logged at DEBUG. Errors of other kinds
keep theirs. Tasks that completed are not told by "Finished in state Completed()": what they did is in their own lines.
"""

from __future__ import annotations

import copy
import logging

from flows.tlc.errors import TripLoadError, UnexpectedError

_LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")
_ENDED_WELL = "Finished in state Completed()"
# The engine tells an error again, with its traceback, as it leaves the flow and as it leaves the process.
_AGAIN = ("Engine execution exited with unexpected exception", "exited with unexpected exception")


def shorten_run_logs() -> None:
    """Have the engine's records pass by here; again and again without harm."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if _shorten not in logger.filters:
            logger.addFilter(_shorten)


def _shorten(record: logging.LogRecord) -> bool:
    """Whether the record is logged; of an error of ours, as its sentence."""
    if record.name == "prefect.task_runs" and record.msg == _ENDED_WELL:
        return False
    error = record.exc_info[1] if record.exc_info else None
    if record.levelno == logging.DEBUG or not isinstance(error, TripLoadError) or isinstance(error, UnexpectedError):
        return True
    if record.getMessage().endswith(_AGAIN):
        return False
    _log_traceback(record)
    record.msg, record.args = "%s: %s", (type(error).__name__, error)
    record.exc_info = record.exc_text = None
    return True


def _log_traceback(record: logging.LogRecord) -> None:
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(logging.DEBUG):
        debug = copy.copy(record)
        debug.levelno, debug.levelname = logging.DEBUG, logging.getLevelName(logging.DEBUG)
        logger.handle(debug)
