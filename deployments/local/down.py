"""``make down``: end what ``make up`` and ``make demo`` left running, and nothing else. The data stays."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
from filelock import FileLock

from blocks.embedded_broker import broker_folder, stop_broker
from blocks.embedded_postgres import postgres_folder, postgres_process, stop_postgres
from blocks.settings import Settings, make_private
from deployments.local.environment import demo_folder, temporary_folder
from deployments.local.prefect_database import prefect_database_folder
from deployments.local.process import Processes, end
from deployments.local.services import SERVER, SITE


def main() -> None:
    """End everything and say what has ended."""
    folder = Settings().local_dir.absolute()
    make_private(folder)
    with FileLock(folder / "up.lock"):
        ended = list(bring_down(folder))
    print(f"Ended: {', '.join(ended)}." if ended else "Nothing was running.")  # noqa: T201 - the command's output


def bring_down(folder: Path) -> Iterator[str]:
    """End the services, first those that use others; yields the name of each that ran.

    Active runs are ended first, while the server can still record their final state.
    """
    processes = Processes(folder)
    if runs := _flow_processes(processes):
        end(runs, grace_seconds=20)
        yield f"{len(runs)} flow run{'s' * (len(runs) > 1)}"
    for name in sorted(processes.names(), key=lambda name: (name == SERVER, name == SITE, name)):
        if processes.stop(name):
            yield name
    for data in _data_folders(folder):
        of_demo = " of the demo" if data != folder else ""
        if stop_postgres(postgres_folder(data)):
            yield f"Postgres{of_demo}"
        if stop_postgres(prefect_database_folder(data)):
            yield f"Prefect's database{of_demo}"
        if stop_broker(broker_folder(data)):
            yield f"the broker of events{of_demo}"
    end(_flow_processes(processes), grace_seconds=0)  # started by the worker as it was ended
    shutil.rmtree(temporary_folder(folder), ignore_errors=True)


def _data_folders(folder: Path) -> list[Path]:
    return [folder, demo_folder(folder)]


def _flow_processes(processes: Processes) -> list[psutil.Process]:
    """The processes of flow runs, without the embedded Postgres, which a flow may have started."""
    servers = [postgres_process(postgres_folder(data)) for data in _data_folders(processes.folder)]
    beside = [process for server in servers if server for process in (server, *server.children(recursive=True))]
    return processes.flow_processes(process.pid for process in beside)


if __name__ == "__main__":
    main()
