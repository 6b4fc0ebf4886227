"""The parts of the platform, killed at random moments and started again."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress

import httpx
import psutil

from blocks.embedded_postgres import start_postgres
from deployments.local.prefect_database import start_prefect_database
from deployments.local.process import MARK
from tests.chaos.months import MONTHS
from tests.e2e.platform import Platform, wait_for

# Seconds between two kills, at most.
DATABASES, SERVICES, SUBMITTED = 20.0, 90.0, 30.0


class Victims:
    """What kills, each in a thread of its own, until ``done``."""

    def __init__(
        self,
        seed: int,
        platform: Platform,
        limited: threading.Lock,
        done: threading.Event,
        count: Callable[[str, str], None],
        violation: Callable[[str], None],
    ):
        self.seed, self.platform, self.limited, self.done = seed, platform, limited, done
        self.count, self.violation = count, violation

    def kill_databases(self) -> None:
        """The trips' Postgres as a whole, or one of its processes, after which it starts all of them anew."""
        dice = random.Random(f"{self.seed} databases")
        while not self.done.wait(dice.uniform(1, DATABASES)):
            server = self.platform.databases()[0]
            if server is None:
                continue
            if dice.random() < 0.5:
                with self.limited:
                    self._kill(server, "Postgres")
                    start_postgres(self.platform.folder / "postgres")
            elif children := server.children():
                self._kill(dice.choice(children), "process of Postgres")

    def kill_services(self) -> None:
        """Prefect's server, its database or the worker, or all of them, started again as they ran."""
        dice = random.Random(f"{self.seed} services")
        while not self.done.wait(dice.uniform(SERVICES / 3, SERVICES)):
            parts = dice.choice([["worker"], ["server"], ["database"], ["database", "server", "worker"]])
            again = [self._kill_service(part) for part in parts]
            self.done.wait(dice.uniform(0, 5))
            for part, start in zip(parts, again, strict=True):
                if part == "worker":  # one that finds no server ends
                    wait_for("Prefect's server", self._answers)
                start()
            wait_for("Prefect's server", self._answers)

    def _answers(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.platform.api}/health", timeout=5).is_success
        return False

    def _kill_service(self, part: str) -> Callable[[], object]:
        """Kill it; what starts it again."""
        if part == "database":
            if server := self.platform.databases()[1]:
                self._kill(server, "Prefect's database")
            return lambda: start_prefect_database(self.platform.folder)
        note = self.platform.processes.note(part)
        process = note and note.process()
        if note is None or process is None:
            self.violation(f"{part} ended by itself, see {self.platform.processes.log_file(part)}")
            return lambda: self.platform.make("up")
        command, environment, port = process.cmdline(), process.environ(), note.port
        del environment[MARK]
        self._kill(process, "Prefect's server" if part == "server" else part)
        return lambda: self.platform.processes.start(part, command, environment, port)

    def _kill(self, process: psutil.Process, name: str) -> None:
        with suppress(psutil.NoSuchProcess):
            process.kill()
            self.count("kills", name)

    def submit(self) -> None:
        """Runs for the worker, so that its kill has something to lose; some of them are killed, too."""
        dice = random.Random(f"{self.seed} submitted")
        while not self.done.wait(dice.uniform(5, SUBMITTED)):
            dataset, month = dice.choice(MONTHS)
            with suppress(Exception):  # the server is away
                self.platform.submit(
                    "load-month",
                    dataset=str(dataset),
                    month=str(month),
                    targets=["postgres", "gcs", "bigquery"],
                    force=True,
                )
                self.count("runs", "load_month on the worker")
            running = self.platform.processes.flow_processes(self._postmasters())
            if running and dice.random() < 0.5:
                self._kill(dice.choice(running), "flow on the worker")

    def _postmasters(self) -> list[int]:
        """The processes of the databases: one that a run has started has its environment."""
        found = [server for server in self.platform.databases() if server]
        return [process.pid for server in found for process in (server, *server.children(recursive=True))]
