"""Processes that outlive the command that starts them, recorded so that only they are ever ended."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
from pydantic import BaseModel, ValidationError

from blocks.listening import listens

# In the environment of every process of the platform, and of the flows' processes that the worker starts: a process
# id may be used again by another process, this mark is not.
MARK = "TLC_PLATFORM_PART"
_FLOW_RUN = "PREFECT__FLOW_RUN_ID"
_OLD_LOG_BYTES = 20_000_000
# At the environment of a process that begins, 5 ms between them.
_LOOKS = 2_000


class Note(BaseModel):
    """What ``.local/run`` keeps of a process."""

    pid: int
    mark: str
    started_at: datetime
    log: Path
    # Of the command and the settings: if it differs, the process is restarted. It reveals no secret.
    fingerprint: str
    # Where it listens, if it does.
    port: int | None = None

    def process(self) -> psutil.Process | None:
        """The process, if it is still this one and runs."""
        return _marked(self.pid, self.mark)

    def listens(self) -> bool:
        """Whether it runs and has its port itself: what answers there may be another user's program."""
        process = self.process()
        return process is not None and self.port is not None and listens(process, self.port)


@dataclass(frozen=True)
class Processes:
    """The processes of one platform: notes in ``folder/run``, output in ``folder/log``."""

    folder: Path

    def note(self, name: str) -> Note | None:
        """The note of the service's last start, whether it runs or not."""
        try:
            return Note.model_validate_json(self._note_file(name).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValidationError):
            return None

    def running(self, name: str) -> Note | None:
        """The service's note, or None if it does not run."""
        note = self.note(name)
        return note if note and note.process() else None

    def names(self) -> list[str]:
        """The names of all services that were started and not stopped, running or not, with a note or without."""
        noted = {file.stem for file in (self.folder / "run").glob("*.json")}
        return sorted(noted | {self._name(mark) for _, mark in self._service_processes()})

    def log_file(self, name: str) -> Path:
        """The file with the service's output."""
        return self.folder / "log" / f"{name}.log"

    def start(self, name: str, command: list[str], environment: dict[str, str], port: int | None = None) -> Note:
        """Start it in a session of its own, with default signals; its output is added to its log."""
        log = self.log_file(name)
        for file in (log, self._note_file(name)):
            file.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > _OLD_LOG_BYTES:
            log.replace(log.with_suffix(".log.old"))
        mark = f"{self._own_marks}{name}:{uuid.uuid4().hex}"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own words
                command,
                env=environment | {MARK: mark},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        _wait_for_environment(process, mark)
        note = Note(
            pid=process.pid,
            mark=mark,
            started_at=datetime.now(UTC),
            log=log,
            fingerprint=fingerprint(command, environment),
            port=port,
        )
        unfinished = self._note_file(name).with_suffix(".part")
        unfinished.write_text(note.model_dump_json(indent=2), encoding="utf-8")
        unfinished.replace(self._note_file(name))
        return note

    def stop(self, name: str, grace_seconds: float = 20) -> bool:
        """End the service and delete its note; False if it did not run.

        Other processes of that name are ended too: their starter was killed before it wrote a note.
        """
        note = self.note(name)
        process = note.process() if note else None
        running = self._strays(name, note) + ([process] if process else [])
        end(running, grace_seconds)
        self._note_file(name).unlink(missing_ok=True)
        return bool(running)

    def flow_processes(self, beside: Iterable[int] = ()) -> list[psutil.Process]:
        """The processes in which the workers of this platform, running or dead, run flows; without those ``beside``."""
        left_out = set(beside) | {os.getpid()}
        return [
            process
            for process, environment in _readable_environments()
            if process.pid not in left_out
            and environment.get(MARK, "").startswith(self._own_marks)
            and _FLOW_RUN in environment
        ]

    def _service_processes(self) -> Iterator[tuple[psutil.Process, str]]:
        """The processes of this platform's services with their marks; without those of runs, which outlive a worker."""
        for process, environment in _readable_environments():
            mark = environment.get(MARK, "")
            if mark.startswith(self._own_marks) and _FLOW_RUN not in environment and process.pid != os.getpid():
                yield process, mark

    def _strays(self, name: str, note: Note | None) -> list[psutil.Process]:
        """The processes of that service that its note does not name."""
        return [
            process
            for process, mark in self._service_processes()
            if self._name(mark) == name and (note is None or mark != note.mark)
        ]

    def _name(self, mark: str) -> str:
        return mark.removeprefix(self._own_marks).rpartition(":")[0]

    @property
    def _own_marks(self) -> str:
        return f"{self.folder}:"

    def _note_file(self, name: str) -> Path:
        return self.folder / "run" / f"{name}.json"


def fingerprint(command: list[str], environment: dict[str, str]) -> str:
    """A short text that changes with the command and with the settings in the environment."""
    settings = {name: value for name, value in environment.items() if name.startswith(("PREFECT_", "TLC_", "GOOGLE_"))}
    return hashlib.sha256(repr((command, sorted(settings.items()))).encode()).hexdigest()[:16]


def end(processes: list[psutil.Process], grace_seconds: float) -> None:
    """SIGTERM to all; SIGKILL to those that still run ``grace_seconds`` seconds later."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            try:
                process.send_signal(number)  # psutil looks first whether it is still the same process
            except psutil.NoSuchProcess:
                continue
        _, processes = psutil.wait_procs(processes, timeout=grace_seconds)


def wait_for_end(note: Note, seconds: float) -> bool:
    """Whether the process ended within that time."""
    deadline = time.monotonic() + seconds
    while note.process():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _wait_for_environment(process: subprocess.Popen[bytes], mark: str) -> None:
    """Until the kernel has put the program in place: until then its environment is empty, as if it were another's."""
    for _ in range(_LOOKS):
        if _marked(process.pid, mark) or process.poll() is not None:
            return
        time.sleep(0.005)


def _marked(pid: int, mark: str) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        alive = process.status() != psutil.STATUS_ZOMBIE
        return process if alive and process.environ().get(MARK) == mark else None
    except (psutil.Error, OSError):
        return None


def _readable_environments() -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    for process in psutil.process_iter():
        try:
            yield process, process.environ()
        except (psutil.Error, OSError):
            continue  # another user's, or ended
