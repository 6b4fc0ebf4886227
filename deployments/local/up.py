"""``make up``: Prefect's server and UI, the blocks, and every flow served from this process, until Ctrl-C."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from blocks.settings import local_folder
from deployments.local.environment import SERVER_STARTUP_SECONDS, use_local_environment

HOST, PORT = "127.0.0.1", 4200
API_URL = f"http://{HOST}:{PORT}/api"


def main() -> None:
    """Start the server, then serve the flows; ends both on Ctrl-C."""
    use_local_environment(local_folder())
    os.environ["PREFECT_API_URL"] = API_URL
    with _prefect_server():
        print(f"Prefect's UI: http://{HOST}:{PORT}")  # noqa: T201
        importlib.import_module("deployments.local.serve").serve_flows()


@contextmanager
def _prefect_server() -> Iterator[None]:
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(PORT)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - our own words
    try:
        _wait_until_healthy(server)
        yield
    finally:
        server.terminate()
        server.wait(30)


def _wait_until_healthy(server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SERVER_STARTUP_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit(f"Prefect's server ended at once. Is port {PORT} taken by another one?")
        try:
            if httpx.get(f"{API_URL}/health").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise SystemExit(f"Prefect's server did not answer within {SERVER_STARTUP_SECONDS} s.")


if __name__ == "__main__":
    main()
