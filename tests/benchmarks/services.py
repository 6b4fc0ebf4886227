"""What a run needs around it: a Postgres, a web server with the month, Prefect's server as ``make up`` has it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from blocks.embedded_postgres import start_postgres, stop_postgres
from deployments.local.prefect_database import prefect_database_folder, start_prefect_database
from tests.benchmarks.inputs import CHECKOUT, MONTH
from tests.benchmarks.interrupted import ending_when_interrupted


@dataclass
class Services:
    """The running services. ``environment`` is what a contender's process is given."""

    folder: Path
    postgres_url: str
    environment: dict[str, str]
    site: subprocess.Popen[str]

    def serve(self, file: Path, month: str = MONTH, dataset: str = "yellow") -> None:
        """Have the site publish ``file`` as the dataset's ``month``."""
        path = self.folder / "site" / "trip-data" / f"{dataset}_tripdata_{month}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(file)

    def http_requests(self) -> list[dict[str, Any]]:
        """The requests that the site has had since the last call."""
        assert self.site.stdin and self.site.stdout
        self.site.stdin.write("\n")
        self.site.stdin.flush()
        requests: list[dict[str, Any]] = json.loads(self.site.stdout.readline())
        return requests


@contextmanager
def services() -> Iterator[Services]:
    """Start all, register the blocks, and end all and remove every file afterwards."""
    with ending_when_interrupted():
        yield from _services()


def _services() -> Iterator[Services]:
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)  # the embedded Postgres runs as another user when we are root, and reads a file here
    (folder / "site").mkdir()
    try:
        url = start_postgres(folder / "pg")
        command = [sys.executable, "-m", "tests.benchmarks.site_process", str(folder / "site")]
        with subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as site:
            assert site.stdin and site.stdout
            environment = _environment(folder, url, site.stdout.readline().strip())
            with _prefect_server(environment, start_prefect_database(folder)):
                register = [sys.executable, "-m", "blocks.register"]
                subprocess.run(register, cwd=CHECKOUT, env=environment, check=True, stdout=subprocess.DEVNULL)
                yield Services(folder, url, environment, site)
            site.stdin.close()
    finally:
        for data in (folder / "pg", prefect_database_folder(folder)):
            stop_postgres(data)
        shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: Path, postgres_url: str, site_url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "TLC_"))}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return kept | {
        "BENCH_POSTGRES_URL": postgres_url,
        "TLC_POSTGRES_URL": postgres_url,
        "TLC_SOURCE_URL": site_url,
        "TLC_MIRROR_URL": site_url,
        "TLC_CACHE_DIR": str(folder / "cache"),
        "TLC_LOCAL_DIR": str(folder / "local"),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }


@contextmanager
def _prefect_server(environment: dict[str, str], database: str) -> Iterator[None]:
    api = environment["PREFECT_API_URL"]
    port = api.removesuffix("/api").rpartition(":")[2]
    log = Path(environment["PREFECT_HOME"]) / "server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port]
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            env=environment | {"PREFECT_SERVER_DATABASE_CONNECTION_URL": database},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            for _ in range(240):
                if server.poll() is not None:
                    raise RuntimeError(f"Prefect's server ended at once: {log.read_text()[-2000:]}")
                try:
                    if httpx.get(f"{api}/health", timeout=5).is_success:
                        break
                except httpx.TransportError:
                    time.sleep(0.5)
            else:
                raise RuntimeError("Prefect's server did not answer within two minutes.")
            yield
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
