"""The audit of dependencies: what it says where the data has something, has nothing, and is out of reach."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Advisories(BaseHTTPRequestHandler):
    """Speaks as the OSV service does: httpx has a vulnerability, made up, unless ``nothing_known``."""

    nothing_known = False

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        known = [{"id": "MADE-UP-1", "modified": "2026-01-01T00:00:00Z"}]
        bad = None if self.nothing_known else "httpx"
        self._answer({"results": [{"vulns": known} if query["package"]["name"] == bad else {} for query in asked]})

    def do_GET(self) -> None:
        dates = {"modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z"}
        self._answer({"schema_version": "1.6.0", "id": "MADE-UP-1", "summary": "it leaks", "affected": [], **dates})

    def _answer(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def advisories() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Advisories)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def audit(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", str(ROOT / ".ci" / "audit"), *arguments],
        env=os.environ | {"UV_HTTP_RETRIES": "0"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_known_vulnerability_fails_and_names_the_package(advisories: str) -> None:
    status, said = audit("--if-reachable", "--service-url", advisories)
    assert status == 1
    assert "httpx" in said
    assert "MADE-UP-1" in said


def test_no_known_vulnerability_passes(advisories: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Advisories, "nothing_known", True)
    status, said = audit("--if-reachable", "--service-url", advisories)
    assert status == 0
    assert "NOT AUDITED" not in said


def test_data_out_of_reach_fails_the_audit_but_only_warns_in_lint() -> None:
    nobody = ("--service-url", "http://127.0.0.1:9")
    status, said = audit("--if-reachable", *nobody)
    assert status == 0
    assert "NOT AUDITED" in said
    assert audit(*nobody)[0] == 2
