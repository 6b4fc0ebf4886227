"""docs/operate.md: its SQL and its Prefect commands work as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from uuid import UUID

import httpx
import pytest

pytestmark = pytest.mark.timeout(420)

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operate.md").read_text(encoding="utf-8")
SQL = re.findall(r"```sql\n(.*?)```", PAGE, re.S)
STATEMENTS = [statement.strip() for block in SQL for statement in block.split(";\n") if statement.strip()]
COMMANDS = re.findall(r"^\$ \.venv/bin/prefect (.*)$", PAGE, re.M)


def test_the_page_has_what_is_tested_here() -> None:
    assert len(STATEMENTS) == 7
    assert len(COMMANDS) == 5


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda text: text.splitlines()[0].strip("- ")[:40])
def test_query_runs(left, statement: str) -> None:
    left.query(statement.removesuffix(";"))


def test_what_stands_and_that_it_is_there(left) -> None:
    what_stands, is_there = STATEMENTS[0], STATEMENTS[-1]
    assert [row[:3] for row in left.query(what_stands)] == [("green", "2020-12", 83_130)]
    assert left.query(is_there.removesuffix(";")) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_command_works(left, server, command: str) -> None:
    failed = {"flow_runs": {"state": {"type": {"any_": ["FAILED"]}}}, "limit": 1}
    (run,) = httpx.post(f"{server.api_url}/flow_runs/filter", json=failed, timeout=30).json()
    done = server.run("-m", "prefect", *shlex.split(command.replace("<run>", str(UUID(run["id"])))))
    assert done.returncode == 0, done.stdout + done.stderr
