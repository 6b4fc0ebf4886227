"""Starting dbt's process, and what is said if it cannot answer. A small program stands for dbt where it has to die."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flows.dbt import process
from flows.dbt.process import dbt_process, models_python
from flows.dbt.request import DbtRequest
from flows.tlc.errors import ModelsError, ModelsNotInstalled

ENVIRONMENT = {"PREFECT_API_URL": "http://127.0.0.1:1/api"}
REQUEST = DbtRequest(environment={"TLC_MODELS_ENGINE": "nothing"})


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Have another program run in the place of dbt's."""

    def program(text: str) -> None:
        (tmp_path / "program.py").write_text(text)
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/program.py"\n')
        python.chmod(0o755)
        monkeypatch.setattr(process, "models_python", lambda: python)

    return program


def test_without_dbt_one_sentence_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "find_spec", lambda _name: None)
    with pytest.raises(ModelsNotInstalled, match="dbt is not installed: run 'make models' in"):
        models_python(tmp_path)
    python = tmp_path / ".venv-models" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert models_python(tmp_path) == python


def test_an_environment_that_has_dbt_is_used_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "find_spec", lambda _name: object())
    assert models_python(tmp_path) == Path(sys.executable)


def test_a_process_that_dies_is_told_with_its_signal(stand_in) -> None:
    stand_in("import os, signal, sys\nsys.stdin.readline()\nos.kill(os.getpid(), signal.SIGKILL)\n")
    with pytest.raises(ModelsError, match="ended by itself \\(signal SIGKILL\\)"), dbt_process(ENVIRONMENT) as dbt:
        dbt.ask(REQUEST)


def test_an_error_is_told_in_its_own_words(stand_in) -> None:
    stand_in('import sys\nsys.stdin.readline()\nprint(\'{"error": "no luck"}\', flush=True)\nsys.stdin.read()\n')
    with pytest.raises(ModelsError, match="no luck"), dbt_process(ENVIRONMENT) as dbt:
        dbt.ask(REQUEST)
    assert dbt.process.returncode is not None


def test_the_users_own_dbt_settings_are_not_dbts_here(stand_in, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(
        "import json, os, sys\nsys.stdin.readline()\n"
        "print(json.dumps({'preview': [dict(os.environ)]}), flush=True)\nsys.stdin.read()\n"
    )
    monkeypatch.setenv("DBT_TARGET", "somewhere")
    with dbt_process(ENVIRONMENT) as dbt:
        (given,) = dbt.ask(REQUEST).preview
    assert ("DBT_TARGET" in given, given["PREFECT_API_URL"]) == (False, ENVIRONMENT["PREFECT_API_URL"])


def test_it_ends_with_its_standard_input() -> None:
    """Of a flow that was killed nothing is left: dbt's process does not wait for anybody."""
    ended = subprocess.run(
        [sys.executable, "-m", "flows.dbt.serve"],
        stdin=subprocess.DEVNULL,
        cwd=process.ROOT,
        env={"PYTHONPATH": str(process.ROOT)},
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1


def test_a_missing_adapter_is_told() -> None:
    try:
        python = models_python()
    except ModelsNotInstalled as error:
        pytest.skip(f"NO DBT: {error}")
    asked = subprocess.run(
        [python, "-P", "-m", "flows.dbt.serve"],
        input=REQUEST.model_dump_json() + "\nend\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "make models BIGQUERY=1" in asked.stdout
