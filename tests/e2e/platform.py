"""A platform as ``make up`` brings it up, in a folder of its own, and what a user does with it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
import psycopg2
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun

from blocks.embedded_postgres import postgres_process, start_postgres
from deployments.local.environment import platform_environment
from deployments.local.login import read_login
from deployments.local.prefect_database import prefect_database_folder
from deployments.local.process import Processes
from deployments.server.declared import PROJECT
from deployments.tlc_site.site import TripSite
from deployments.work_pools import DEFAULT_POOL
from tests.e2e.server_log import server_errors
from tests.servers.webhook_receiver import WebhookReceiver

# Generous: how long things take is for benchmarks/platform.py to say, on a machine that does nothing else.
PATIENCE = 300
Found = TypeVar("Found")


def wait_for(what: str, look: Callable[[], Found], seconds: float = PATIENCE) -> Found:
    """What ``look`` returns as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.2)
    return found


@dataclass
class Platform:
    """A platform that runs, its source, where its alerts go, and a client of its server."""

    folder: Path
    site: TripSite
    alerts: WebhookReceiver
    taken_port: int
    settings: dict[str, str] = field(default_factory=dict)  # of the user's, beside those of places
    printed: str = ""  # by the make up that made it

    @property
    def processes(self) -> Processes:
        return Processes(self.folder)

    @property
    def port(self) -> int:
        note = self.processes.note("server")
        assert note and note.port
        return note.port

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def login(self) -> str | None:
        """``user:password`` of the server."""
        return read_login(self.folder)

    @property
    def environment(self) -> dict[str, str]:
        """What a user's shell has who works with this platform."""
        return platform_environment(self.folder, self.api) | self._settings()

    def _settings(self) -> dict[str, str]:
        return {
            "TLC_LOCAL_DIR": str(self.folder),
            "TLC_SOURCE_URL": self.site.url,
            "TLC_MIRROR_URL": self.site.url,
            "TLC_ALERT_WEBHOOK_URL": self.alerts.url,
            **self.settings,
        }

    def make(self, *arguments: str) -> str:
        """The output of make, which has to succeed."""
        # Without what an outer make would tell this one, and whatever Prefect this shell talks to.
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MAKE", "MFLAGS", "PREFECT_", "TLC_"))
        }
        done = subprocess.run(
            ["make", *arguments], cwd=PROJECT, env=kept | self._settings(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def prefect(self, *arguments: str) -> str:
        """The output of Prefect's own command, as a user would call it, from another directory."""
        command = [sys.executable, "-m", "prefect", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def client(self) -> SyncPrefectClient:
        return SyncPrefectClient(self.api, auth_string=self.login)

    def submit(self, deployment: str, **parameters: Any) -> FlowRun:
        with self.client() as client:
            there = client.read_deployment_by_name(f"{deployment}/{deployment}")
            return client.create_flow_run_from_deployment(there.id, parameters=parameters)

    def state(self, run: FlowRun) -> str:
        with self.client() as client:
            state = client.read_flow_run(run.id).state
            return state.name if state else "none"

    def wait_for_state(self, run: FlowRun, *names: str) -> str:
        wait_for(f"{run.name} {names}", lambda: self.state(run) in names)
        return self.state(run)

    def flow_process(self, run: FlowRun) -> psutil.Process | None:
        """The process in which the run is, if it is in one."""
        return next(
            (
                process
                for process in self.processes.flow_processes()
                if process.environ().get("PREFECT__FLOW_RUN_ID") == str(run.id)
            ),
            None,
        )

    @contextmanager
    def second_worker(self) -> Iterator[None]:
        """Another one, with room for two runs, too."""
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", DEFAULT_POOL, "--limit", "2"]
        # Marked as the platform's own worker is, so that `make down` would end what is left of its runs.
        note = self.processes.start("second-worker", command, self.environment)
        try:
            yield
            assert note.process(), note.log.read_text()
        finally:
            self.processes.stop("second-worker")

    def databases(self) -> list[psutil.Process | None]:
        """That of the trips, and that of Prefect's server."""
        return [postgres_process(self.folder / "postgres"), postgres_process(prefect_database_folder(self.folder))]

    def server_errors(self) -> list[str]:
        return server_errors(self.processes.log_file("server"))

    def query(self, statement: str) -> list[tuple]:
        connection = self.connect()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()
        finally:
            connection.close()

    def connect(self) -> psycopg2.extensions.connection:
        return psycopg2.connect(self.postgres_url)

    @property
    def postgres_url(self) -> str:
        """Of the trips' Postgres."""
        return start_postgres(self.folder / "postgres")


@contextmanager
def platform_up(site: TripSite, alerts: WebhookReceiver, **settings: str) -> Iterator[Platform]:
    """One that runs while this is entered. The port that it wishes for is taken by somebody else."""
    folder = Path(tempfile.mkdtemp(prefix="tlc-e2e-"))
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        platform = Platform(folder, site, alerts, taken_port=somebody.getsockname()[1], settings=settings)
        try:
            platform.printed = platform.make("up", f"PORT={platform.taken_port}")
            yield platform
        finally:
            platform.make("down")
            shutil.rmtree(folder, ignore_errors=True)
