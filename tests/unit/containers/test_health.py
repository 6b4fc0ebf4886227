"""The commands of the containers say what is wrong, by exit code and sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from deployments.containers.healthy import main
from tests.servers.compose_file import PROJECT, image_command


@pytest.fixture
def server():
    """Answers 200 to /health and 503 to all else, as a worker that has stopped polling."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 503)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_healthy_is_silent(server: str) -> None:
    main([f"{server}/health"])


def test_unhealthy_and_gone_end_with_the_reason(server: str) -> None:
    with pytest.raises(SystemExit, match="503"):
        main([f"{server}/else"])
    with pytest.raises(SystemExit, match="refused"):
        main(["http://127.0.0.1:9/health"])


@pytest.mark.parametrize(("given", "missing"), [({}, "PREFECT_API_URL"), ({"PREFECT_API_URL": "x"}, "WORK_POOL")])
def test_worker_says_which_setting_it_lacks(given: dict[str, str], missing: str) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ended = subprocess.run(
        image_command(), env={"PATH": path} | given, cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert ended.returncode != 0
    assert f"{missing}: is not set: give the " in ended.stderr


@pytest.mark.parametrize(("given", "said"), [({"WORKER_TYPE": "cloud-run-v2"}, ["--type", "cloud-run-v2"]), ({}, [])])
def test_worker_has_the_type_that_it_is_given_and_else_the_pools(
    given: dict[str, str], said: list[str], tmp_path: Path
) -> None:
    """Where the pool is made later, nothing but this can tell the worker."""
    program = tmp_path / "prefect"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    settings = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PREFECT_API_URL": "x", "WORK_POOL": "a pool"}
    told = subprocess.run(
        image_command(), env=settings | given, cwd=PROJECT, capture_output=True, text=True, check=True
    )
    words = told.stdout.splitlines()
    assert words[:4] == ["worker", "start", "--pool", "a pool"]
    assert words[4 : words.index("--limit")] == said
    assert "--no-create-pool-if-not-found" in words
