"""``make notebook``: the notebook of ten questions, on the demo's data, in the browser."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from blocks.settings import Settings, make_private
from deployments.local.demo import demo_environment
from deployments.server.declared import PROJECT

NOTEBOOK = PROJECT / "notebooks" / "ten_questions.py"


def main() -> None:
    """Serve it to this machine, to whoever has the URL that is printed; returns when it is closed."""
    folder = Settings().local_dir.absolute()
    make_private(folder)
    with demo_environment(folder, keeps_runs=False):
        raise SystemExit(serve(NOTEBOOK))


def serve(notebook: Path) -> int:
    """Open the notebook at a URL of its own, and print that; marimo's exit code.

    The token goes by stdin, and no browser is started: what is in a command line, every user of the machine can read.
    The URL has the address, since at ``localhost`` somebody else may listen, by the other protocol.
    """
    token = secrets.token_urlsafe(24)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "marimo", "--quiet", "edit", "--headless", "--host=127.0.0.1", f"--port={port}"]
    command += ["--token-password-file=-", "--skip-update-check", str(notebook)]
    print(f"Open http://127.0.0.1:{port}?access_token={token}\nCtrl-C ends it.", flush=True)  # noqa: T201 - for the person at the terminal
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE) as served:  # noqa: S603 - our own words
        assert served.stdin
        with served.stdin as tokens:
            tokens.write(token.encode())
        with suppress(KeyboardInterrupt):  # marimo has heard it too, and ends
            served.wait()
        return served.wait()


if __name__ == "__main__":
    main()
