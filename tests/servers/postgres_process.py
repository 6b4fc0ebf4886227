"""A Postgres for a Prefect server's own database, from a wheel: what a server for many has (docs/server.md)."""

from __future__ import annotations

import shutil
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


@contextmanager
def prefect_database() -> Iterator[str]:
    """The URL, as Prefect writes it, of an empty database on a Postgres of its own."""
    # Not below pytest's own folder: as root the server runs as another user, whom pytest keeps out of it.
    with tempfile.TemporaryDirectory(prefix="prefect-pg-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        path, port = programs_path(folder), free_port()
        settings = {"POSTGRES_USER": "prefect", "POSTGRES_PASSWORD": "prefect", "POSTGRES_DB": "prefect"}
        make_cluster(folder / "data", settings, path)
        program = shutil.which("postgres", path=path)
        assert program
        options = ["-D", folder / "data", "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-k", folder / "data"]
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen(
                [program, *options], user=POSTGRES_USER, cwd=folder, stdout=log, stderr=subprocess.STDOUT
            ) as server,
        ):
            try:
                _wait_for(f"postgresql://prefect:prefect@127.0.0.1:{port}/prefect")
                yield f"postgresql+asyncpg://prefect:prefect@127.0.0.1:{port}/prefect"
            finally:
                server.terminate()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + _STARTUP_SECONDS
    while True:
        try:
            psycopg2.connect(url).close()
            return
        except psycopg2.OperationalError:
            assert time.monotonic() < deadline, "Postgres did not start"
            time.sleep(0.2)
