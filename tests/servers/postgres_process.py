"""A Postgres as a process of its own, on a free port of loopback."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from tests.servers.prefect_process import free_port
from tests.servers.third_party import POSTGRES_USER, make_cluster, programs_path

_STARTUP_SECONDS = 60
OPEN = "/tmp" if POSTGRES_USER else None


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that Postgres' user may enter, and that is gone afterwards."""
    # As root the server runs as another user, who may not enter the checkout's folder for temporary files.
    with tempfile.TemporaryDirectory(prefix="tlc-pg-", dir=OPEN) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def running_postgres(folder: Path, path: str, name: str, user: str | None = None) -> Iterator[str]:
    """``user:user@127.0.0.1:port/name``: a superuser and its empty database on a server of the programs in ``path``."""
    user = user or name
    port = free_port()
    make_cluster(folder / "data", {"POSTGRES_USER": user, "POSTGRES_PASSWORD": user, "POSTGRES_DB": name}, path)
    program = shutil.which("postgres", path=path)
    assert program
    options = ["-D", folder / "data", "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-k", folder / "data"]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [program, *options], user=POSTGRES_USER, cwd=folder, stdout=log, stderr=subprocess.STDOUT
        ) as server,
    ):
        place = f"{user}:{user}@127.0.0.1:{port}/{name}"
        try:
            _wait_for(f"postgresql://{place}")
            yield place
        finally:
            server.send_signal(signal.SIGINT)  # at SIGTERM it waits until all clients have gone


@contextmanager
def prefect_database() -> Iterator[str]:
    """The URL, as Prefect writes it, of an empty database: what a server for many has (docs/server.md)."""
    with open_folder() as folder, running_postgres(folder, programs_path(folder), "prefect") as place:
        yield f"postgresql+asyncpg://{place}"


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + _STARTUP_SECONDS
    while True:
        try:
            psycopg2.connect(url).close()
            return
        except psycopg2.OperationalError:
            assert time.monotonic() < deadline, "Postgres did not start"
            time.sleep(0.2)
