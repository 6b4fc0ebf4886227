"""Runs a program for as long as its flow lives: ``python step_guard.py SECRETS PROGRAM …``, by the standard library.

The standard input is a pipe from the flow. It ends when the flow stops the program, or is killed itself, even with
SIGKILL: then every process of the program's group is asked to end, and killed if it has not. What the program
leaves running is killed, too, and the folder with its secrets is removed.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

GRACE_SECONDS = 5.0


def main(secrets: str, *command: str) -> int:
    """The program's exit code, or 128 and the number of the signal that ended it."""
    try:
        # A session of its own: a signal to the flow's processes reaches it through this one alone.
        program = subprocess.Popen(  # noqa: S603 - a step of this project
            command, stdin=subprocess.DEVNULL, start_new_session=True
        )
        threading.Thread(target=_end_with_flow, args=[program.pid], daemon=True).start()
        code = program.wait()
        _signal(program.pid, signal.SIGKILL)
    finally:
        shutil.rmtree(secrets, ignore_errors=True)
    return code if code >= 0 else 128 - code


def _end_with_flow(session: int) -> None:
    os.read(0, 1)  # not by sys.stdin, whose lock would hold up the end of this process
    _signal(session, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    _signal(session, signal.SIGKILL)


def _signal(session: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # all of it has ended
        os.killpg(session, number)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
