"""Commands on the demo's months, and what they share with ``make up DEMO=1``."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.embedded_postgres import postgres_folder, stop_postgres
from blocks.settings import make_private
from deployments.local.demo import demo_environment
from deployments.local.environment import demo_folder, platform_environment
from deployments.local.login import ensure_login
from deployments.local.ports import choose_port
from deployments.local.prefect_database import prefect_database_folder
from deployments.local.process import Note, Processes
from deployments.local.services import SERVER, SITE

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "local"
    stop_postgres(postgres_folder(demo_folder(tmp_path / "local")))


def test_a_command_that_only_reads_starts_no_server_of_prefect(folder: Path) -> None:
    span = ["--start-month", "2024-05", "--end-month", "2024-05"]
    command = [sys.executable, "-m", "deployments.local.demo", "plan", "green", *span, "--json"]
    environment = os.environ | {"TLC_LOCAL_DIR": str(folder)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    month = json.loads(done.stdout)["months"][0]
    assert month["actions"] == {"postgres": "load", "gcs": "load", "bigquery": "load"}
    assert month["published"]  # at the stand-in: the real site cannot be asked from everywhere
    assert "server starts" not in done.stderr
    assert not prefect_database_folder(demo_folder(folder)).exists()


@pytest.fixture
def own_process_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Environment and umask, which the demo changes for good, as they were."""
    umask = os.umask(0o022)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    yield
    os.umask(umask)


@pytest.fixture
def platform(folder: Path) -> Iterator[dict[str, Note]]:
    """Both services, or what looks like them: whether they listen is for the test to say."""
    processes = Processes(folder)
    serve = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"
    yield {
        name: processes.start(name, [sys.executable, "-c", serve, str(port)], dict(os.environ), port)
        for name, port in ((SITE, choose_port(0)), (SERVER, choose_port(0)))
    }
    for name in (SITE, SERVER):
        processes.stop(name)


def test_a_running_demo_platform_is_used(folder: Path, platform: dict[str, Note], own_process_state: None) -> None:
    while not all(note.listens() for note in platform.values()):
        assert all(note.process() for note in platform.values())
        time.sleep(0.05)
    with demo_environment(folder, keeps_runs=True):
        api = f"http://127.0.0.1:{platform[SERVER].port}/api"
        assert os.environ["PREFECT_API_URL"] == api
        site = f"http://127.0.0.1:{platform[SITE].port}"
        assert os.environ["TLC_SOURCE_URL"] == os.environ["TLC_MIRROR_URL"] == site
        wanted = platform_environment(folder, api, demo_folder(folder))
        names = ("PREFECT_HOME", "PREFECT_API_URL", "TLC_LOCAL_DIR", "TLC_CACHE_DIR")
        assert {name: os.environ[name] for name in names} == {name: wanted[name] for name in names}


def test_a_platform_whose_port_another_program_has_is_given_nothing(folder: Path, own_process_state: None) -> None:
    processes = Processes(folder)
    make_private(folder)
    ensure_login(folder)
    idle = [sys.executable, "-c", "import time; time.sleep(600)"]
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        try:
            for name in (SITE, SERVER):
                processes.start(name, idle, dict(os.environ), stranger.getsockname()[1])
            with demo_environment(folder, keeps_runs=False):
                assert "PREFECT_API_URL" not in os.environ
                assert "PREFECT_API_AUTH_STRING" not in os.environ
        finally:
            for name in (SITE, SERVER):
                processes.stop(name)
