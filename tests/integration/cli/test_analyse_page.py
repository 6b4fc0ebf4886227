"""docs/analyse.md: its commands and its Python run as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
PAGE = (PROJECT / "docs" / "analyse.md").read_text(encoding="utf-8")
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)$", re.MULTILINE)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shell(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def test_everything_that_the_page_says_runs(local: Path, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    (local / ".local").symlink_to("local")
    commands = [command for block in CONSOLE.findall(PAGE) for command in COMMAND.findall(block)]
    assert len(commands) == 3
    said = [shell(local, "bash", "-c", one.replace(".venv/bin/python", sys.executable)) for one in commands]
    assert "2020-10-01,300" in said[0]
    assert '{"tip": ' in said[1]
    assert "green 2020-11." in said[2]
    blocks = PYTHON.findall(PAGE)
    assert len(blocks) == 2
    for block in blocks:
        assert "pu_location_id" in shell(local, sys.executable, "-c", block)
