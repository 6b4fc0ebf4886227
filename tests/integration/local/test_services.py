"""A service of the platform is taken for up only if it is the one that answers: it is given the login next."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deployments.local import services as module
from deployments.local.ports import HOST, choose_port
from deployments.local.process import Note, Processes
from deployments.local.services import SITE, ServiceFailed, Services

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("TLC_", "PREFECT_"))}
# A service that lives on if its port is taken, as Prefect's server does for the seconds until it wants it.
SERVE = (
    "import http.server as h; h.ThreadingHTTPServer(('127.0.0.1', {port}), h.SimpleHTTPRequestHandler).serve_forever()"
)
STUBBORN = f"import time\ntry: {SERVE}\nexcept OSError: time.sleep(600)"
BY_A_CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', {serve!r}])"


class Stranger(BaseHTTPRequestHandler):
    """Another user's server: it says that all is well, and keeps what it was given."""

    given: list[dict[str, str]]

    def do_GET(self) -> None:
        self.given.append(dict(self.headers))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def stranger_listens() -> Iterator[tuple[int, list[dict[str, str]]]]:
    handler = type("_", (Stranger,), {"given": []})
    with ThreadingHTTPServer((HOST, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, handler.given
        server.shutdown()


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    processes = Processes(tmp_path)
    yield Services(
        processes, tmp_path, lambda url: CLEAN | {"PREFECT_API_URL": url, "PREFECT_API_AUTH_STRING": "tlc:x"}
    )
    processes.stop(SITE, grace_seconds=0)


def listening(services: Services, code: str, wanted_port: int = 0) -> Note:
    def command(port: int) -> list[str]:
        return [sys.executable, "-c", code.replace("{port}", str(port))]

    return services._listening(SITE, command, wanted_port, "/", seconds=120)


def test_who_took_the_port_first_is_not_taken_for_the_service(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port was free when it was chosen, and another program's when the service wanted it."""
    with stranger_listens() as (port, given):
        chosen = iter([port])
        monkeypatch.setattr(module, "choose_port", lambda wanted: next(chosen, None) or choose_port(wanted))
        note = listening(services, STUBBORN)
        assert note.port != port
        assert note.listens()
        assert services.processes.running(SITE) == note
    assert given
    assert all("authorization" not in map(str.lower, headers) for headers in given)


def test_a_port_that_is_always_taken_is_named(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    with stranger_listens() as (port, _):
        answers = [port, port + 1] * 3  # chosen; and then not free
        monkeypatch.setattr(module, "choose_port", lambda _wanted: answers.pop(0))
        with pytest.raises(ServiceFailed, match=f"^The site found port {port} taken by another program"):
            listening(services, STUBBORN)


def test_a_service_may_listen_by_a_child(services: Services) -> None:
    port = choose_port(0)
    note = listening(services, BY_A_CHILD.format(serve=SERVE.replace("{port}", str(port))), port)
    assert note.port == port
    assert note.listens()
