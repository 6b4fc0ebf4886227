"""docker-compose.yml without containers: each service a process on loopback, with the file's own command and settings.

What a container has to itself is replaced: host names and ports by free ports of 127.0.0.1, folders by temporary ones.
The order is the file's: a service waits for those that it depends on, by their health checks, which are run too.

Where ``TLC_TEST_CONTAINER`` names a container of Buildah's, the project's own services run in it: in the image's files,
as its user (``deployments/containers/verify.sh``).
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import psycopg2

from tests.servers import compose_file as described
from tests.servers.third_party import POSTGRES_USER, make_cluster, programs_path

PATIENCE_SECONDS = 300  # other tests run at the same time
POLL_SECONDS = 0.5
CONTAINER = os.environ.get("TLC_TEST_CONTAINER")
ADDRESSES = ("data-postgres:5432", "prefect-postgres:5432", "redis:6379", "server:4200", "worker:8080")


class Composed:
    """The services named, and those that they depend on, while entered as a context.

    ``folder`` gets their data and logs; the user of Postgres has to be able to enter it. ``given`` is what would stand
    in ``.env``.
    """

    def __init__(self, folder: Path, given: Mapping[str, str], services: Iterable[str]):
        self.folder = folder
        self.given = dict(given)
        self.services: dict[str, Any] = described.read_compose(given)["services"]
        self.port = _free_ports(ADDRESSES)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._wanted = tuple(services)
        self._programs = programs_path(folder)
        for written in ("data", "prefect", "prefect-ui"):
            (folder / written).mkdir()
            (folder / written).chmod(0o777)  # the image's user is another one

    def __enter__(self) -> Self:
        try:
            for service in self._wanted:
                self.start(service)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End our own processes, then the databases that they use."""
        for own in (True, False):
            ending = [process for service, process in self.processes.items() if self._is_own(service) is own]
            for process in ending:
                # Postgres takes SIGTERM for: once all clients have gone.
                process.send_signal(signal.SIGTERM if own else signal.SIGINT)
            for process in ending:
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def start(self, service: str) -> None:
        """Start a service after those that it depends on, unless it is started."""
        if service in self.processes:
            return
        for needed, rule in self.services[service].get("depends_on", {}).items():
            self.start(needed)
            self.wait(needed, rule["condition"])
        if self._is_postgres(service) and not (self.folder / service).exists():
            make_cluster(self.folder / service, self.services[service]["environment"], self._programs)
        with (self.folder / f"{service}.log").open("wb") as log:
            self.processes[service] = subprocess.Popen(
                self._placed(service, self._command(service)),
                **self._surroundings(service),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=POSTGRES_USER if self._is_postgres(service) else None,
            )

    def run(self, service: str, *command: str, log: str | None = None) -> str:
        """What a command prints, run as ``docker compose run SERVICE`` would.

        Its failure is an AssertionError, with the log of another service.
        """
        done = subprocess.run(
            self._placed(service, [self._here(word) for word in command]),
            **self._surroundings(service),
            check=False,
            capture_output=True,
            text=True,
        )
        told = f"{done.stdout}{done.stderr}{self.log(log) if log else ''}"
        assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{told}"
        return done.stdout

    def pipe(self, service: str, command: str, given: bytes | None = None) -> bytes:
        """What a shell's command writes, with ``given`` to read; its failure is an AssertionError."""
        done = subprocess.run(
            self._placed(service, ["sh", "-c", self._here(command)]),
            **self._surroundings(service),
            check=False,
            input=given,
            capture_output=True,
        )
        assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stderr.decode()}"
        return done.stdout

    def stop(self, service: str) -> None:
        """End a service as ``docker compose stop`` does."""
        process = self.processes.pop(service)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)

    def up(self, *services: str) -> None:
        """Start the services, or all that this was made for, and again what ran once; then wait until they are well."""
        for service in [name for name, process in self.processes.items() if process.poll() is not None]:
            del self.processes[service]
        for service in services or self._wanted:
            self.start(service)
            self.wait(service)

    def wait(self, service: str, condition: str = "service_healthy") -> None:
        """Wait for a condition of ``depends_on``."""
        if condition == "service_completed_successfully":
            code = self.processes[service].wait(PATIENCE_SECONDS)
            assert code == 0, f"{service} ended with {code}: {self.log(service)}"
            return
        assert condition == "service_healthy"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.is_healthy(service):
            assert time.monotonic() < deadline, f"{service} is not healthy: {self.log(service)}"
            time.sleep(POLL_SECONDS)

    def is_healthy(self, service: str) -> bool:
        """What the service's health check says: its own, else the image's."""
        assert self.processes[service].poll() is None, f"{service} has ended: {self.log(service)}"
        own = self.services[service].get("healthcheck", {}).get("test")
        kind, *words = own or ["CMD", *described.image_command("HEALTHCHECK")]
        command = ["sh", "-c", *words] if kind == "CMD-SHELL" else words
        surroundings = self._surroundings(service)
        placed = self._placed(service, [self._here(word) for word in command])
        check = subprocess.run(placed, **surroundings, check=False, capture_output=True)
        return check.returncode == 0

    def log(self, service: str) -> str:
        """The end of what it has written so far."""
        return (self.folder / f"{service}.log").read_text(errors="replace")[-4000:]

    def setting(self, service: str, name: str) -> str:
        """What a variable of the service's environment is, here."""
        value: str = self._surroundings(service)["env"][name]
        return value

    def connect(self, service: str) -> psycopg2.extensions.connection:
        """A connection to a Postgres service, with the file's user, password and database."""
        settings = self.services[service]["environment"]
        return psycopg2.connect(self.url(service, settings["POSTGRES_USER"], settings["POSTGRES_PASSWORD"]))

    def url(self, service: str, user: str, password: str) -> str:
        """Of the database of a Postgres service, for one of its users."""
        database = self.services[service]["environment"]["POSTGRES_DB"]
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port[f'{service}:5432']}/{database}"

    def _is_own(self, service: str) -> bool:
        return bool(self.services[service]["image"].startswith(described.OWN_IMAGE))

    def _is_postgres(self, service: str) -> bool:
        return bool(self.services[service]["image"].startswith("postgres:"))

    def _command(self, service: str) -> list[str]:
        own = "postgres" if self._is_postgres(service) else shlex.join(described.image_command())
        words = [self._here(word) for word in shlex.split(self.services[service].get("command", own))]
        if self._is_postgres(service):
            folder = str(self.folder / service)
            words += ["-D", folder, "-k", folder, "-h", "127.0.0.1", "-p", str(self.port[f"{service}:5432"])]
        return words

    def _placed(self, service: str, command: list[str]) -> list[str]:
        """The command where it has to run: in the container, or with its program found on the service's PATH."""
        settings = self._surroundings(service)["env"]
        if CONTAINER and self._is_own(service):
            given = [f"--env={name}={value}" for name, value in settings.items() if name != "PATH"]
            volume = f"--volume={self.folder}:{self.folder}"
            # Buildah would look for TMPDIR itself, before the worker has made it.
            buildah = ["env", "--unset=TMPDIR", "buildah", "run", "--isolation=chroot"]
            return [*buildah, *given, volume, CONTAINER, "--", *command]
        program = shutil.which(command[0], path=settings["PATH"])
        assert program, f"{service}: there is no {command[0]}"
        return [program, *command[1:]]

    def _here(self, text: str) -> str:
        """The text with this machine's ports and folders in the place of the container's."""
        server, worker = self.port["server:4200"], self.port["worker:8080"]
        if text == "4200":
            return str(server)
        places = {address: f"127.0.0.1:{port}" for address, port in self.port.items()} | {
            "127.0.0.1:4200": f"127.0.0.1:{server}",
            "127.0.0.1:8080": f"127.0.0.1:{worker}",
            "0.0.0.0": "127.0.0.1",
            "redis-server": f"redis-server --port {self.port['redis:6379']} --bind 127.0.0.1 --dir {self.folder}",
            "redis-cli": f"redis-cli -p {self.port['redis:6379']}",
            "/tmp/prefect": str(self.folder / "prefect"),
            "/data": str(self.folder / "data"),
        }
        for there, here in places.items():
            text = text.replace(there, here)
        return text

    def _surroundings(self, service: str) -> dict[str, Any]:
        own = self._is_own(service)
        settings = described.service_environment(self.services[service], self.given)
        if own:
            settings = described.image_environment() | settings
        here = {
            "PATH": f"{Path(sys.executable).parent if own else self._programs}:{os.environ['PATH']}",
            # A container's own socket asks for no password.
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port.get(f"{service}:5432", "")),
            "PGPASSWORD": settings.get("POSTGRES_PASSWORD", ""),
            "PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1",
            "PREFECT_WORKER_WEBSERVER_PORT": str(self.port["worker:8080"]),
        }
        return {"env": {name: self._here(value) for name, value in settings.items()} | here, "cwd": described.PROJECT}


def _free_ports(addresses: Iterable[str]) -> dict[str, int]:
    """A free port of 127.0.0.1 for each, all different."""
    sockets = {address: socket.socket() for address in addresses}
    for free in sockets.values():
        free.bind(("127.0.0.1", 0))
    ports = {address: free.getsockname()[1] for address, free in sockets.items()}
    for free in sockets.values():
        free.close()
    return ports
