"""``make status``: what of the platform runs, since when, and where its log is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from blocks.embedded import postgres_folder, postgres_process
from blocks.settings import Settings
from deployments.local.parts import SERVER, SITE, WORKER
from deployments.local.ports import HOST
from deployments.local.process import Note, Processes


def main() -> None:
    """Print a line for each part."""
    console = Console()
    table = Table("part", "state", "since", "process", "where", "log", box=SIMPLE_HEAD, pad_edge=False)
    for row in status_rows(Settings().local_dir.absolute()):
        table.add_row(*row)
    console.print(table, soft_wrap=True)


def status_rows(folder: Path) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Name, state, since, process id, where it listens and log of each part: what runs, and what should."""
    processes = Processes(folder)
    for name in (SERVER, WORKER, SITE):
        note = processes.note(name)
        if note or name != SITE:
            yield (name, *_of_note(note), str(processes.log_file(name)))
    postgres = postgres_process()
    log = str(postgres_folder() / "log")
    if postgres:
        since = datetime.fromtimestamp(postgres.create_time(), UTC)
        yield "postgres", "runs", _local(since), str(postgres.pid), str(postgres_folder()), log
    elif Settings().postgres_url is None:
        yield "postgres", "does not run", "", "", "", log


def _of_note(note: Note | None) -> tuple[str, str, str, str]:
    if note is None:
        return "does not run", "", "", ""
    if note.process() is None:
        return "died: make up", "", "", ""
    where = f"http://{HOST}:{note.port}" if note.port else ""
    return "runs", _local(note.started_at), str(note.pid), where


def _local(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}"


if __name__ == "__main__":
    main()
