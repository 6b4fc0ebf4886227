"""Run a flow for a command: with bars or a log, on Prefect's server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from flows.cli.progress import log_shown, mute_prefects_console, progress_shown
from flows.cli.terminal import Terminal
from flows.tlc.errors import TripLoadError

if TYPE_CHECKING:
    from prefect import Flow

SPARED = "with PREFECT_API_URL set to one that runs, there is no need."
STARTUP_SECONDS = "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"


# The server that Prefect starts writes to this console too: its own log, which is no answer to anything.
CONSOLE_LEVEL = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"


def before_prefect(terminal: Terminal) -> None:
    """Set what Prefect reads when it is imported, unless somebody has."""
    from blocks.settings import SERVER_STARTUP_SECONDS, Settings, make_private  # noqa: PLC0415 - no help needs pydantic

    if not Settings().local_dir.exists():
        with suppress(OSError):  # what is needed there says it later
            make_private(Settings().local_dir)
    os.environ.setdefault(STARTUP_SECONDS, str(SERVER_STARTUP_SECONDS))
    if not terminal.debug:
        os.environ.setdefault(CONSOLE_LEVEL, "CRITICAL")


@contextmanager
def blocks_read(terminal: Terminal, *names: str) -> Iterator[None]:
    """What is done within reads these blocks, without a flow; says so if Prefect has to start a server for that."""
    before_prefect(terminal)
    from blocks.saved import server_would_start  # noqa: PLC0415 - Prefect takes two seconds

    mute_prefects_console()
    if server_would_start(names):
        terminal.note(f"Prefect's server starts, for the blocks that are saved there (15 s); {SPARED}")
    with log_shown(terminal):
        yield


def run_flow(terminal: Terminal, flow: Flow[..., Any], given: Mapping[str, Any]) -> tuple[Any, TripLoadError | None]:
    """The flow's report, and the error if months of it failed; raises the error if there is no report.

    ``given`` has the values of the flow's parameters by their names; other names in it are left out.
    """
    from prefect.settings import get_current_settings  # noqa: PLC0415 - the caller has imported Prefect with the flow

    mute_prefects_console()
    if not get_current_settings().api.url:
        terminal.note(f"Prefect's server starts (15 s, the first time half a minute); {SPARED}")
    with log_shown(terminal), progress_shown(terminal):
        try:
            return flow(**{name: given[name] for name in flow.parameters.properties if name in given}), None
        except TripLoadError as error:
            report = getattr(error, "report", None)
            if report is None:
                raise
            return report, error
