"""A run's process that nobody listens to any more, as when its worker was killed."""

from __future__ import annotations

import subprocess
import sys

TALKS_TO_NOBODY = """
import sys
from rich.console import Console
from deployments.run_engine import outlive_readers

outlive_readers()
print("one", flush=True)
sys.stdin.readline()
for _ in range(3):
    Console().print("to nobody")
    Console(stderr=True).print("to nobody")
    print("to nobody", flush=True)
"""


def test_it_goes_on_where_its_reader_is_gone() -> None:
    command = [sys.executable, "-c", TALKS_TO_NOBODY]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        assert process.stdout.readline() == "one\n"
        process.stdout.close()
        process.stderr.close()
        process.stdin.write("go on\n")
        process.stdin.close()
        assert process.wait(120) == 0
