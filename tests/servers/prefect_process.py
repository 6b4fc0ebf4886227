"""A real Prefect server: a process of its own on a free port, its SQLite database in a folder of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import httpx
from prefect.settings import PREFECT_API_URL, temporary_settings

STARTUP_SECONDS = 150
ROOT = Path(__file__).resolve().parents[2]


class PrefectServer:
    """Runs while it is entered, again after ``stop`` and ``start``; ``environment`` is what clients need."""

    def __init__(self, folder: Path, **settings: str):
        self.folder = folder
        self.port = free_port()
        self.ui_url = f"http://127.0.0.1:{self.port}"
        self.api_url = f"{self.ui_url}/api"
        self.database = folder / "prefect.db"
        self.log = folder / "server.log"
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def environment(self) -> dict[str, str]:
        """For a process that runs flows against this server; nothing of the caller's Prefect is in it."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "TLC_"))}
        return plain | {
            "PREFECT_API_URL": self.api_url,
            "PREFECT_HOME": str(self.folder / "home"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }

    def start(self) -> None:
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        database = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{self.database}"}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env=self.environment | database | self._settings,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + STARTUP_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"Prefect's server did not start: {self.log.read_text()}")
            time.sleep(0.5)

    def stop(self) -> None:
        """End the server; what is in the database has been written then."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    @contextmanager
    def as_client(self) -> Iterator[None]:
        """Prefect in this process talks to this server."""
        with temporary_settings(updates={PREFECT_API_URL: self.api_url}):
            yield

    def run(self, *command: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """A Python command of the project, as a client of this server, with its output."""
        return subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=self.environment | dict(environment or {}),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.api_url}/health", timeout=5).is_success
        except httpx.TransportError:
            return False


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
