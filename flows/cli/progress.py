"""Bars for what is under way, and the run's log, on stderr."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flows.cli.terminal import Terminal
from flows.tlc.visible import visible
from flows.ui.progress import watched_by

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@contextmanager
def progress_shown(terminal: Terminal) -> Iterator[None]:
    """Show a bar for each step that is under way; none if stderr is no terminal, or has the log on it."""
    if not terminal.err.is_terminal or terminal.verbose:
        yield
        return
    from rich.progress import (  # noqa: PLC0415 - as no help needs it
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns, console=terminal.err, transient=True) as progress, watched_by(_Bars(progress)):
        yield


class _Bars:
    """One bar a step, hidden when it is done."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self._lock = threading.Lock()
        self._bars: dict[str, TaskID] = {}

    def __call__(self, description: str, fraction: float) -> None:
        with self._lock:
            if description not in self._bars:
                self._bars[description] = self._progress.add_task(visible(description), total=1.0)
        self._progress.update(self._bars[description], completed=fraction, visible=fraction < 1)


@contextmanager
def log_shown(terminal: Terminal) -> Iterator[None]:
    """Write the log to stderr: warnings alone, all of it with ``verbose``, tracebacks too with ``debug``."""
    from rich.logging import RichHandler  # noqa: PLC0415 - as no help needs it

    handler = RichHandler(
        logging.DEBUG if terminal.debug else logging.INFO if terminal.verbose else logging.WARNING,
        terminal.err,
        show_path=False,
        show_time=terminal.verbose,
    )
    if not terminal.debug:
        # An error is shown once, in one sentence, by ``answering``.
        handler.addFilter(lambda record: record.levelno < logging.ERROR)
    loggers = [logging.getLogger(name) for name in ("prefect", "flows", "blocks")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


def mute_prefects_console() -> None:
    """Have Prefect write nothing to the console itself, for the rest of this process."""
    from prefect.logging.configuration import setup_logging  # noqa: PLC0415 - with commands that need Prefect
    from prefect.logging.handlers import PrefectConsoleHandler  # noqa: PLC0415

    setup_logging()
    for handler in logging.getLogger().handlers:
        if isinstance(handler, PrefectConsoleHandler):
            handler.setLevel(logging.CRITICAL + 1)
