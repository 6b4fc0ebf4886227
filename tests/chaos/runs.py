"""A flow in a process of its own, forked from one that has everything imported: it begins within milliseconds."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import prefect

import flows
from deployments.server.declared import PROJECT
from flows.extract.download.retry import RetryPolicy
from flows.tlc.errors import TripLoadError, UnexpectedError

# How a run ended: with an error that says what to do, or with one that nobody expected.
FAILED, UNEXPECTED = 10, 11
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


class Run:
    """A flow that runs, in a process that is to be killed."""

    def __init__(self, flow: str, parameters: Mapping[str, Any], log: Path, child: Mapping[str, Any]):
        self.log = log
        self._forked: BaseProcess | None = None
        self._begun: subprocess.Popen[bytes] | None = None
        arguments = (flow, dict(parameters), str(log), dict(child))
        if "clock" in child:  # a library that has to be there when a process begins
            clock = {"LD_PRELOAD": FAKETIME, "FAKETIME": child["clock"]}
            command = [sys.executable, "-m", __name__, json.dumps(arguments)]
            self._begun = subprocess.Popen(command, cwd=PROJECT, env=os.environ | clock, start_new_session=True)
        else:
            self._forked = multiprocessing.get_context("forkserver").Process(target=run_flow, args=arguments)
            self._forked.start()

    @property
    def pid(self) -> int:
        process = self._forked or self._begun
        assert process and process.pid
        return process.pid

    def wait(self, seconds: float) -> int | None:
        """The exit code; None if it still runs after so many seconds."""
        if self._forked:
            self._forked.join(seconds)
            return self._forked.exitcode
        assert self._begun
        try:
            return self._begun.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def has_begun(self, seconds: float) -> bool:
        """Whether the flow's run, or its end, is in the log after so many seconds at most."""
        deadline = time.monotonic() + seconds
        while not any(said in self.log.read_bytes() for said in (b"Flow run '", b"ENDED ")):
            if time.monotonic() > deadline or self.wait(0.02) is not None:
                return False
        return True

    def last_words(self, beginning: str = "") -> str:
        """The last line of its log that begins so, cut short."""
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.startswith(beginning)]
        return (lines or ["no word"])[-1][:160]

    def signal(self, number: int) -> None:
        """As kill does; nothing if it has ended."""
        if self.wait(0) is None:
            os.kill(self.pid, number)


def prepare(names: Iterable[str]) -> None:
    """Have the process that others are forked from import what these flows do."""
    engines = ["prefect.flow_engine", "prefect.task_engine", "flows.load.duckdb"]
    own = ["tests.chaos.actors", "tests.chaos.after", "tests.chaos.victims"]  # each process imports __main__ again
    multiprocessing.set_forkserver_preload([*engines, *own, *(f"flows.{name}" for name in names)])


def run_flow(flow: str, parameters: dict[str, Any], log: str, child: dict[str, Any]) -> None:
    """In the process: run it under the limits that ``child`` says, and end with a code that says how."""
    with Path(log).open("ab", buffering=0) as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.environ |= child.get("environment", {})
    _retry_soon()
    called = getattr(flows, flow)
    for name, value in child.get("limits", {}).items():
        _limit(name, value)
    try:
        called(**parameters)
    except UnexpectedError as error:
        _end(UNEXPECTED, error)
    except TripLoadError as error:
        _end(FAILED, error)
    except BaseException as error:
        _end(UNEXPECTED, error)


def _end(code: int, error: BaseException) -> None:
    print(f"ENDED {type(error).__name__}: {error}", flush=True)
    raise SystemExit(code)


def _limit(name: str, value: int) -> None:
    kind = getattr(resource, name)
    if name == "RLIMIT_AS":  # so much more than the process has by now
        value += int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))


def _retry_soon() -> None:
    """As often as ever, with shorter waits between."""
    for name, module in list(sys.modules.items()):
        if name.startswith("flows.tasks."):
            for task in vars(module).values():
                if isinstance(task, prefect.Task):
                    task.retry_delay_seconds, task.retry_jitter_factor = 0.3, None
    RetryPolicy.wait_after = lambda *_: 0.1  # type: ignore[method-assign] # in this process alone


if __name__ == "__main__":
    run_flow(*json.loads(sys.argv[1]))
