"""A Postgres server from a wheel in a folder of its own, whatever the folder's path; only its owner gets in."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil
from filelock import FileLock

from blocks.postgres_access import (
    PostgresFailed,
    forget_socket_folder,
    let_in_owner_only,
    runs_as,
    socket_folder,
)
from blocks.postgres_programs import programs_for_server, quotable
from blocks.postgres_reader import let_in_reader, noted_reader

# A killed server replays its log before it is ready.
_START_SECONDS = 60
_STOP_SECONDS = 60
# After a kill -9 the old server's other processes may still be ending.
_PASSES = "pre-existing shared memory block"
# The socket lies beside the data: by this name no path is too long for it, and none has to be quoted.
_SOCKET = "--unix_socket_directories=."
_OPTIONS = (_SOCKET, "--unix_socket_permissions=0700")
_NO_PORT = ("--listen_addresses=",)
_PORT = "--port="
_PORT_IS_TAKEN = "could not create any TCP/IP sockets"
_LEVEL = re.compile(r"^.*? (LOG|FATAL|DETAIL|HINT): +")
_LAST_WORDS = "database system is shut down"
# From the environment of who starts it: none of the secrets, and no Postgres setting but the one that clients share.
_ENVIRONMENT = ("PATH", "TZ", "PGPORT")


def start_server(folder: Path, programs: Path) -> Path:
    """Start the server with its data in ``folder`` unless it runs; returns the folder that has its socket.

    It goes on when this process ends. Raises PostgresFailed if it cannot start.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock"), mode=0o600), _made_whole(folder):
        running = postgres_process(folder)
        if running and _SOCKET not in running.cmdline():
            stop_server(folder)  # started by an earlier version, which let everybody in
        deadline = time.monotonic() + _START_SECONDS
        while not _is_ready(folder):
            if time.monotonic() > deadline:
                raise PostgresFailed(
                    f"Postgres in {folder} is not ready after {_START_SECONDS} s. Its log is {folder / 'log'}."
                )
            if postgres_process(folder) is None:
                _start(folder, programs, deadline)
            time.sleep(0.02)
    return socket_folder(folder)


def stop_server(folder: Path) -> bool:
    """End the server; False if it did not run."""
    folder = folder.resolve()
    process = postgres_process(folder)
    if process is None:
        return False
    process.send_signal(signal.SIGINT)  # ends the sessions, keeps what was committed
    deadline = time.monotonic() + _STOP_SECONDS
    while postgres_process(folder):
        if time.monotonic() > deadline:
            raise RuntimeError(f"Postgres, process {process.pid}, does not end. Its log is {folder / 'log'}.")
        time.sleep(0.05)
    forget_socket_folder(folder)
    return True


def postgres_process(folder: Path) -> psutil.Process | None:
    """The server's first process; None if it does not run, whatever its pid file says."""
    folder = folder.resolve()
    try:
        process = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
        # The first is an argument of a server that an earlier version started.
        is_ours = {str(folder), _name_option(folder)} & set(process.cmdline())
        return process if is_ours and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, IndexError, psutil.Error):
        return None


def listening_port(folder: Path) -> int | None:
    """The port at which the server listens; None if at none, or it does not run."""
    process = postgres_process(folder)
    options = process.cmdline() if process else []
    return next((int(option.removeprefix(_PORT)) for option in options if option.startswith(_PORT)), None)


@contextmanager
def _made_whole(folder: Path) -> Iterator[None]:
    """A cluster is begun anew if the process that made it was killed before its first start: it never held a row."""
    begun = folder.with_suffix(".begun")
    if begun.exists() and postgres_process(folder) is None:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    if not (folder / "PG_VERSION").exists():
        begun.touch()
    yield
    begun.unlink(missing_ok=True)


def _start(folder: Path, programs: Path, deadline: float) -> None:
    """Start it once, and wait until it is ready, or has ended for a reason that passes."""
    # A killed server's. If the number is another process's by now, or nobody has noticed yet that the server ended,
    # Postgres would take that one for its server.
    for left in (folder / "postmaster.pid", *folder.glob(".s.PGSQL.*")):
        left.unlink(missing_ok=True)
    programs = programs_for_server(programs)
    if not (folder / "PG_VERSION").exists():
        _make_cluster(folder, programs)
    let_in_owner_only(folder)
    said = None
    if reader := noted_reader(folder):
        let_in_reader(folder)
        said = _try(folder, programs, _listening(folder, reader.port), deadline)
    if reader is None or (said and _PORT_IS_TAKEN in said):
        said = _try(folder, programs, _NO_PORT, deadline)
    if said is not None and _PASSES not in said:
        raise PostgresFailed(f"Postgres in {folder} does not start: {_reason(said)} Its log is {folder / 'log'}.")


def _listening(folder: Path, port: int) -> Sequence[str]:
    """The options to listen at ``port`` too, which names the socket; clients find that by the port they think of."""
    if (usual := os.environ.get("PGPORT", "5432")) != str(port):
        (folder / f".s.PGSQL.{usual}").symlink_to(f".s.PGSQL.{port}")
    return ("--listen_addresses=127.0.0.1", f"{_PORT}{port}")


def _try(folder: Path, programs: Path, options: Sequence[str], deadline: float) -> str | None:
    """What it said if it ended; None if it is ready, or there is no more time."""
    log = folder / "log"
    log.touch(mode=0o600)
    with log.open("ab") as output:
        begin = output.tell()
        server = _run(folder, programs / "postgres", (*_OPTIONS, *options, _name_option(folder)), output)
    while server.poll() is None:
        if _is_ready(folder) or time.monotonic() > deadline:
            return None
        time.sleep(0.02)
    return log.read_bytes()[begin:].decode(errors="replace")


def _make_cluster(folder: Path, programs: Path) -> None:
    """In one locale everywhere: that of who comes first may not exist for the next."""
    locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    with quotable(programs) as safe:
        making = _run(folder, safe / "initdb", ("--username=postgres", "--auth=peer", *locale), subprocess.PIPE)
        said, _ = making.communicate()
    if making.returncode:
        raise PostgresFailed(f"A Postgres in {folder} cannot be made: {_reason(said.decode(errors='replace'))}")


def _run(folder: Path, program: Path, options: Sequence[str], output: int | IO[bytes]) -> subprocess.Popen[bytes]:
    """Run a program of Postgres with its data in ``folder``, in a session of its own."""
    user = runs_as(folder)
    # Another user than who starts it may not enter the folders above: it comes to its data by where it begins.
    script = 'exec "$0" -D "/proc/$$/cwd" "$@"' if user else 'exec "$0" "$@"'
    return subprocess.Popen(  # noqa: S603 - our own words
        ["/bin/sh", "-c", script, str(program), *([] if user else ["-D", str(folder)]), *options],
        cwd=folder,
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | {"LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        umask=0o077,
        user=user and user[0],
        group=user and user[1],
        extra_groups=user and [],
    )


def _name_option(folder: Path) -> str:
    """What makes a server known whose data are not named by their path: a setting that Postgres only keeps."""
    return f"--tlc.folder={folder}"


def _is_ready(folder: Path) -> bool:
    if postgres_process(folder) is None:
        return False
    lines = (folder / "postmaster.pid").read_text().splitlines()
    return bool(lines) and lines[-1].strip() == "ready"


def _reason(said: str) -> str:
    """The last lines of what a program said, without their times."""
    lines = [_LEVEL.sub("", line).strip().rstrip(".") for line in said.splitlines()]
    return "; ".join([line for line in lines if line and line != _LAST_WORDS][-3:] or ["it said nothing"]) + "."
