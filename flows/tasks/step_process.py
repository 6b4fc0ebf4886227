"""A step's program: its lines as they come, its exit code, and its end with the flow's."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from flows.tasks import step_guard
from flows.tlc.visible import visible

# Seconds between two looks whether the run was cancelled or is out of time: Prefect cannot end a wait in a thread.
_POLL_SECONDS = 0.5
# What a log gets at most; the program goes on.
MOST_LINES, MOST_CHARACTERS = 2_000, 1_000

# What R ends with, after the line that says why.
_SAYS_NOTHING = "Execution halted"


def run_program(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, secrets: Path, log: Callable[[str], None]
) -> tuple[int, str]:
    """Run it in ``folder``, and give ``log`` its lines; returns its exit code and the last line that says something.

    If anything is raised meanwhile, all processes of it end first, within seconds.
    """
    guard = subprocess.Popen(  # noqa: S603 - a step of this project
        [sys.executable, "-I", "-S", step_guard.__file__, str(secrets), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        cwd=folder,
        start_new_session=True,
    )
    last = ""
    try:
        for number, line in enumerate(filter(None, _lines(guard))):
            last = line if line != _SAYS_NOTHING else last
            if number < MOST_LINES:
                log(line)
            elif number == MOST_LINES:
                log(f"(The log has the first {MOST_LINES:,} lines.)")
        return guard.wait(), last
    finally:
        assert guard.stdin is not None and guard.stdout is not None
        guard.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            guard.wait(2 * step_guard.GRACE_SECONDS)
        guard.stdout.close()


def _lines(guard: subprocess.Popen[bytes]) -> Iterator[str]:
    """The program's lines, until it ends: a process that escaped from it may keep the pipe open, and write to it."""
    assert guard.stdout is not None
    begun = b""
    with selectors.DefaultSelector() as selector:
        selector.register(guard.stdout, selectors.EVENT_READ)
        last_look: float | None = None
        while last_look is None or time.monotonic() < last_look:
            if last_look is None and guard.poll() is not None:
                last_look = time.monotonic() + _POLL_SECONDS
            if selector.select(_POLL_SECONDS):
                chunk = os.read(guard.stdout.fileno(), 1 << 16)
                if not chunk:
                    break
                *lines, begun = (begun + chunk).split(b"\n")
                if len(begun) > MOST_CHARACTERS:  # a line without an end
                    lines, begun = [*lines, begun], b""
                yield from map(_shown, lines)
    if begun:
        yield _shown(begun)


def _shown(line: bytes) -> str:
    text = visible(line.decode(errors="replace").rstrip().expandtabs())
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
