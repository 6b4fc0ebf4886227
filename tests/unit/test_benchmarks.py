"""Benchmarks that are interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys

import psutil
import pytest

from deployments.server.declared import PROJECT

# As services() is used; what it started ends slowly.
BENCHMARK = """
import subprocess, sys
from tests.benchmarks.interrupted import ending_when_interrupted
with ending_when_interrupted():
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        print(started.pid, flush=True)
        started.wait()
    finally:
        print("ending", flush=True)
        sys.stdin.readline()
        started.terminate()
        started.wait()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_interrupted_benchmark_ends_what_it_started(number: signal.Signals) -> None:
    command = [sys.executable, "-c", BENCHMARK]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin and running.stdout
        started = psutil.Process(int(running.stdout.readline()))
        running.send_signal(number)
        assert running.stdout.readline() == "ending\n"
        running.send_signal(number)  # impatient
        running.stdin.close()
        assert running.wait(60) == 128 + number
    assert not started.is_running()
