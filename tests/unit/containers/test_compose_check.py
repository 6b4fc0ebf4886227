"""compose_check.sh is for a Docker engine: here, with a stand-in that gives the right answers, or one wrong."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.servers.compose_file import PROJECT, read_compose

DOCKER = """#!/bin/sh
echo "$*" >>"$ASKED"
while [ $# -gt 1 ]; do [ "$1" != --env-file ] || cp "$2" "$ASKED.env"; shift; done
case "$(tail -n 1 "$ASKED")" in
    *"${WRONG:-nothing is wrong}"*) echo wrong; case "$WRONG" in getent*) exit 1 ;; esac ;;
    *"select target"*) echo 'postgres|19582|0' ;;
    *"from tlc.green_trips"*) echo 0 ;;
    *"from tlc.zones"*) echo 265 ;;
    *"touch /app"*) echo "touch: Read-only file system" >&2; exit 1 ;;
    *"disable trigger"*) echo "ERROR: must be owner of table loads" >&2; exit 1 ;;
    *"to program"*) echo "ERROR: ${REFUSAL:-permission denied}" >&2; exit 1 ;;
    *"worker id -u") echo 10001 ;;
    *"redis id -un") echo redis ;;
    *"postgres id -un") echo postgres ;;
    *"stat -c"*) echo 700 ;;
    *"--quiet worker") echo number ;;
    *RestartCount*) echo 1 ;;
esac
"""
CURL = """#!/bin/sh
case "$*" in
    *metrics) echo 'tlc_up{part="postgres"} 1.0' ;;
    *targets) echo '{"health":"up"}' ;;
    *search) echo '[{"type":"dash-db"}]' ;;
    *health | *--user*) printf 200 ;;
    *) printf 401 ;;
esac
"""


def checked(folder: Path, wrong: str, **given: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """What it says, and what it asked Docker for, if the answer to ``wrong`` is."""
    for name, text in (("docker", DOCKER), ("curl", CURL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    asked = folder / "asked"
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "ASKED": str(asked), "WRONG": wrong} | given
    command = ["bash", PROJECT / "deployments/containers/compose_check.sh"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done, asked.read_text().splitlines()


def test_it_fills_the_settings_as_the_page_says_and_removes_what_it_made(tmp_path: Path) -> None:
    done, asked = checked(tmp_path, "")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("--- all of it works\n")
    assert next(line for line in asked if " up " in line).endswith("up --detach --build --wait --wait-timeout 900")
    assert asked[-1].endswith("down --volumes --remove-orphans")
    settings = dict(re.findall(r"^([A-Z_]+)=(.*)$", (tmp_path / "asked.env").read_text(), re.MULTILINE))
    assert read_compose(settings)["services"]["tls"]["environment"] == {"PREFECT_UI_URL": "https://localhost"}


@pytest.mark.parametrize(
    "wrong",
    [
        "select target",
        "touch /app",
        "getent hosts redis",
        "getent hosts kafka",
        "disable trigger",
        "id -un",
        "RestartCount",
    ],
)
def test_a_wrong_answer_fails_with_the_logs_and_removes_what_it_made(tmp_path: Path, wrong: str) -> None:
    done, asked = checked(tmp_path, wrong)
    assert done.returncode == 1
    assert re.search("expected .*, got 'wrong'|not refused: ", done.stdout)
    assert [line.rpartition("--profile metrics ")[2] for line in asked[-3:]] == [
        "ps --all", "logs --tail 100", "down --volumes --remove-orphans"
    ]  # fmt: skip


def test_what_fails_for_another_reason_was_not_refused(tmp_path: Path) -> None:
    done, _ = checked(tmp_path, "", REFUSAL="the server is starting up")
    assert done.returncode == 1
    assert "refused, but not with 'permission denied'" in done.stdout
