"""``make status``: which services of the platform run, since when, and their logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from blocks.embedded_postgres import postgres_folder, postgres_process
from blocks.settings import Settings
from deployments.local.connect import port_in_words
from deployments.local.environment import demo_folder
from deployments.local.ports import HOST
from deployments.local.prefect_database import prefect_database_folder
from deployments.local.process import Note, Processes
from deployments.local.services import SERVER, SITE, WORKER

POSTGRES = "postgres"
DATABASE = "database"  # of Prefect's server


@dataclass(frozen=True)
class ServiceStatus:
    """One service: ``state`` is ``runs``, ``died`` or ``does not run``; the rest is known of one that runs."""

    name: str
    state: str
    log: Path
    pid: int | None = None
    since: datetime | None = None
    where: str = ""

    def __str__(self) -> str:
        since = f"since {self.since.astimezone():%Y-%m-%d %H:%M:%S}" if self.since else ""
        process = f"process {self.pid}" if self.pid else ""
        return f"{self.name:9} {self.state:13} {since:26} {process:16} {self.where:23} {_shown(self.log)}"


def main() -> None:
    """Print a line for each service."""
    statuses = list(service_statuses(Settings().local_dir.absolute()))
    for status in statuses:
        print(status)  # noqa: T201 - the command's output
    if any(status.state == "died" for status in statuses):
        print("make up starts what died, and leaves alone what runs.")  # noqa: T201


def service_statuses(folder: Path) -> Iterator[ServiceStatus]:
    """Each service that runs, or should."""
    processes = Processes(folder)
    for name in (SERVER, WORKER, SITE):
        note = processes.note(name)
        if note or name != SITE:  # only a demo has the stand-in
            yield _of_note(name, note, processes.log_file(name))
    data = demo_folder(folder) if processes.note(SITE) else folder
    yield _of_postgres(DATABASE, prefect_database_folder(data))
    if postgres_process(postgres_folder(data)) or Settings().postgres_url is None:
        yield _of_postgres(POSTGRES, postgres_folder(data))


def _of_note(name: str, note: Note | None, log: Path) -> ServiceStatus:
    if note is None:
        return ServiceStatus(name, "does not run", log)
    if note.process() is None:
        return ServiceStatus(name, "died", log)
    where = f"http://{HOST}:{note.port}" if note.port else ""
    return ServiceStatus(name, "runs", log, note.pid, note.started_at, where)


def _of_postgres(name: str, folder: Path) -> ServiceStatus:
    process, log = postgres_process(folder), folder / "log"
    if process is None:
        died = (folder / "postmaster.pid").exists()
        return ServiceStatus(name, "died" if died else "does not run", log)
    since = datetime.fromtimestamp(process.create_time(), UTC)
    return ServiceStatus(name, "runs", log, process.pid, since, port_in_words(folder))


def _shown(path: Path) -> Path:
    """Relative to the current folder if it is inside of it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    main()
