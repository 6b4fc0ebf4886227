"""A health check that fails for long ends the process that main.sh has noted; what waits for another is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from deployments.containers.healthy import main
from deployments.containers.restart import AFTER_SECONDS, KILL_AFTER_SECONDS
from tests.servers.compose_file import PROJECT

STUBBORN = ["sh", "-c", "trap '' TERM; echo started; while :; do read -r _; done"]


class Site(HTTPServer):
    """Answers what ``status`` says by path; a path that is not there cuts the connection."""

    def __init__(self) -> None:
        self.status = {"/health": 503, "/server": 200}
        super().__init__(("127.0.0.1", 0), Answers)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Answers(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        if self.path in self.server.status:
            self.send_response(self.server.status[self.path])
            self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    return tmp_path / "new" / "worker.pid"


def started(noted: Path, *command: str) -> subprocess.Popen[bytes]:
    """As in the compose file; returns once the number is there, and the command has said a line."""
    script = ["sh", PROJECT / "deployments/containers/main.sh", noted]
    process = subprocess.Popen([*script, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline()
    return process


def check(site: Site, noted: Path) -> None:
    """Once, of something unhealthy."""
    with pytest.raises(SystemExit, match="503"):
        main([site.url("/health"), "--restart", str(noted), "--unless-lost", site.url("/server")])


def fails_since(noted: Path, seconds: float) -> None:
    os.utime(noted.with_suffix(".failing"), times=(time.time() - seconds,) * 2)


def test_what_hangs_for_long_is_ended_and_what_does_not_end_is_killed(site: Site, noted: Path) -> None:
    with started(noted, *STUBBORN) as process:
        assert int(noted.read_text()) == process.pid
        check(site, noted)
        fails_since(noted, AFTER_SECONDS - 5)
        check(site, noted)
        fails_since(noted, AFTER_SECONDS + 1)
        check(site, noted)
        assert process.poll() is None  # it was not killed: it may still end in order
        fails_since(noted, KILL_AFTER_SECONDS + 1)
        check(site, noted)
        assert process.wait(60) == -signal.SIGKILL


@pytest.mark.parametrize("server", [200, 401], ids=["a server that answers", "Prefect Cloud, asked without a key"])
def test_what_hangs_for_long_is_asked_to_end_first(site: Site, noted: Path, server: int) -> None:
    site.status["/server"] = server
    with started(noted, "sh", "-c", "echo started; read -r _") as process:
        check(site, noted)
        fails_since(noted, AFTER_SECONDS + 1)
        check(site, noted)
        assert process.wait(60) == -signal.SIGTERM


@pytest.mark.parametrize("mended", [{"/server": 503}, {"/health": 200}])
def test_a_lost_server_and_a_good_check_start_the_count_anew(site: Site, noted: Path, mended: dict[str, int]) -> None:
    with started(noted, "sh", "-c", "echo started; read -r _") as process:
        check(site, noted)
        fails_since(noted, KILL_AFTER_SECONDS + 1)
        before = dict(site.status)
        site.status |= mended
        if site.status["/health"] == 200:
            main([site.url("/health"), "--restart", str(noted), "--unless-lost", site.url("/server")])
        else:
            check(site, noted)
        site.status = before
        check(site, noted)
        process.stdin.close()  # type: ignore[union-attr] # it is a pipe
        assert process.wait(60) == 1, "it ended by itself, at the end of its input"


def test_a_new_process_is_not_blamed_for_the_last_one(site: Site, noted: Path) -> None:
    with started(noted, "sh", "-c", "echo started; read -r _") as process:
        check(site, noted)
        process.stdin.close()  # type: ignore[union-attr] # it is a pipe
    assert noted.with_suffix(".failing").exists()
    with started(noted, "sh", "-c", "echo started"):
        assert not noted.with_suffix(".failing").exists()
