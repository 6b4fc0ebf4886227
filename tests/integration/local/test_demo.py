"""Commands on the demo's months, and what they share with ``make up DEMO=1``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.embedded_postgres import postgres_folder, stop_postgres
from deployments.local.demo import demo_environment
from deployments.local.environment import demo_folder, platform_environment
from deployments.local.prefect_database import prefect_database_folder
from deployments.local.process import Processes
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


def test_a_running_demo_platform_is_used(folder: Path, own_process_state: None) -> None:
    processes = Processes(folder)
    wait = [sys.executable, "-c", "import time; time.sleep(600)"]
    try:
        for name, port in ((SITE, 4455), (SERVER, 4456)):
            processes.start(name, wait, dict(os.environ), port)
        with demo_environment(folder, keeps_runs=True):
            assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:4456/api"
            assert os.environ["TLC_SOURCE_URL"] == os.environ["TLC_MIRROR_URL"] == "http://127.0.0.1:4455"
            platform = platform_environment(folder, "http://127.0.0.1:4456/api", demo_folder(folder))
            names = ("PREFECT_HOME", "PREFECT_API_URL", "TLC_LOCAL_DIR", "TLC_CACHE_DIR")
            assert {name: os.environ[name] for name in names} == {name: platform[name] for name in names}
    finally:
        for name in (SITE, SERVER):
            processes.stop(name)
