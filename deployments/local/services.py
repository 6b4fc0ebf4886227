"""The platform's services that are processes (a stand-in, Prefect's server, a worker), started unless they run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType

import httpx

from deployments.local.environment import SERVER_STARTUP_SECONDS
from deployments.local.ports import HOST, choose_port
from deployments.local.prefect_database import start_prefect_database
from deployments.local.process import Note, Processes, fingerprint

SITE, SERVER, WORKER = "site", "server", "worker"
WORKER_NAME = "laptop"
# Two runs at once for each worker: two cores have enough to do with that.
WORKER_RUNS = 2
_WORKER_STARTUP_SECONDS = 120
_TRIES = 3


class ServiceFailed(Exception):
    """A service ended at once or never answered. The message names it and shows the end of its log."""


@dataclass(frozen=True)
class Services:
    """The services of one platform; ``environment_at`` gives their environment for the API's URL.

    ``data`` is the folder of the trips: Prefect's database is beside them.
    """

    processes: Processes
    data: Path
    environment_at: Callable[[str], dict[str, str]]

    def ensure_site(self, folder: Path) -> str:
        """The URL of the stand-in, which is started unless it runs. It keeps its port when it is started again."""

        def command(port: int) -> list[str]:
            arguments = ["--folder", str(folder), "--port", str(port)]
            return [sys.executable, "-m", "deployments.tlc_site.fake_tlc_site", *arguments]

        note = self._listening(SITE, command, wanted_port=0, path="/", seconds=60)
        return site_url(note)

    def ensure_server(self, wanted_port: int, meanwhile: Callable[[], object]) -> str:
        """The URL of the API, whose server and database are started unless they run, while ``meanwhile`` is called.

        It keeps its port when it is started again; it takes another one if ``wanted_port`` is in use.
        """

        def command(port: int) -> list[str]:
            return [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]

        database = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": start_prefect_database(self.data)}
        note = self._listening(SERVER, command, wanted_port, "/api/health", SERVER_STARTUP_SECONDS, meanwhile, database)
        return api_url(note)

    def ensure_worker(self, url: str, pool: str) -> Note:
        """A worker of the pool at the API's ``url``, started unless it runs."""
        command = [sys.executable, "-m", "prefect", "worker", "start", "--name", WORKER_NAME]
        command += ["--pool", pool, "--limit", str(WORKER_RUNS), "--install-policy", "never"]
        return self._ensure(WORKER, command, self.environment_at(url))

    def wait_for_worker(self, note: Note, url: str, pool: str) -> None:
        """Wait until the worker has reported to the server since its start."""
        deadline = time.monotonic() + _WORKER_STARTUP_SECONDS
        while time.monotonic() < deadline:
            self._check(WORKER, note)
            with httpx.Client(timeout=30, auth=self._login(url)) as client:
                answer = client.post(f"{url}/work_pools/{pool}/workers/filter", json={}).raise_for_status()
            heard = [worker["last_heartbeat_time"] for worker in answer.json() if worker["name"] == WORKER_NAME]
            if any(datetime.fromisoformat(when) >= note.started_at for when in heard if when):
                return
            time.sleep(0.3)
        raise self._failure(WORKER, f"was not heard of within {_WORKER_STARTUP_SECONDS} s")

    def _login(self, url: str) -> tuple[str, str] | None:
        user, _, password = self.environment_at(url).get("PREFECT_API_AUTH_STRING", "").partition(":")
        return (user, password) if user else None

    def _listening(
        self,
        name: str,
        command: Callable[[int], list[str]],
        wanted_port: int,
        path: str,
        seconds: float,
        meanwhile: Callable[[], object] = lambda: None,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> Note:
        old = self.processes.note(name)
        wanted = (old and old.port) or wanted_port
        for left in reversed(range(_TRIES)):
            running = self.processes.running(name)
            port = (running and running.port) or choose_port(wanted)
            note = self._ensure(name, command(port), {**self._without_project(port), **settings}, port)
            meanwhile()
            try:
                self._wait_for_answer(name, note, path, seconds)
            except ServiceFailed:
                # Another process may have taken the port after it was chosen.
                if not left or note.listens() or choose_port(port) == port:
                    raise
                self.processes.stop(name)
            else:
                return note
        raise AssertionError("the last try returns or raises")

    def _without_project(self, port: int) -> dict[str, str]:
        """The environment of a service that takes none of the project's settings: a change does not restart it."""
        environment = self.environment_at(f"http://{HOST}:{port}/api")
        return {name: value for name, value in environment.items() if not name.startswith(("TLC_", "GOOGLE_"))}

    def _ensure(self, name: str, command: list[str], environment: dict[str, str], port: int | None = None) -> Note:
        """The service's note; it is restarted if it runs with another command or other settings."""
        running = self.processes.running(name)
        if running and running.fingerprint == fingerprint(command, environment):
            return running
        self.processes.stop(name)
        return self.processes.start(name, command, environment, port)

    def _wait_for_answer(self, name: str, note: Note, path: str, seconds: float) -> None:
        """Wait until the service itself answers; whoever else does would be given the login, and the blocks."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._check(name, note)
            if _answers(f"http://{HOST}:{note.port}{path}"):
                if note.listens():
                    return
                self._check(name, note)
                raise self._failure(name, f"found port {note.port} taken by another program")
            time.sleep(0.2)
        raise self._failure(name, f"runs, but did not answer at port {note.port} within {seconds} s")

    def _check(self, name: str, note: Note) -> None:
        if not note.process():
            raise self._failure(name, "ended at once")

    def _failure(self, name: str, what: str) -> ServiceFailed:
        log = self.processes.log_file(name)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:] if log.exists() else []
        shown = "\n".join(f"    {line}" for line in lines)
        return ServiceFailed(
            f"The {name} {what}. The end of {log}:\n{shown}\n"
            "Mend what it says and run make up again; make down ends what runs."
        )


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    except httpx.TransportError:
        return False


def site_url(site: Note) -> str:
    """The URL of the stand-in."""
    return f"http://{HOST}:{site.port}"


def api_url(server: Note) -> str:
    """The URL of the API that this server serves."""
    return f"http://{HOST}:{server.port}/api"
