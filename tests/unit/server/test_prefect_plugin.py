"""When the hook acts, and which work pools it finds in a file."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from deployments.server.declared import PROJECT
from deployments.server.missing_pools import pools_named_in, pools_needed
from deployments.server.prefect_plugin import is_deploy
from deployments.work_pools import DEFAULT_POOL


@pytest.mark.parametrize(
    "line",
    [
        "/somewhere/bin/prefect deploy --all --no-prompt",
        "prefect --no-prompt deploy --all",
        "prefect.exe deploy -n reconcile",
    ],
)
def test_acts_on_deploy(line: str) -> None:
    assert is_deploy(line.split())


@pytest.mark.parametrize(
    "line",
    [
        "",
        "prefect",
        "prefect deployment ls",
        "prefect deployment run deploy",
        "prefect deploy --help",
        "prefect --profile other deploy --all",
        "prefect -p other deploy --all",
        "prefect deploy --all --profile=other",
        "pytest deploy",
    ],
)
def test_acts_on_nothing_else(line: str) -> None:
    assert not is_deploy(line.split())


@pytest.mark.parametrize(
    ("words", "pools"),
    [
        ("--all", ["tlc-process"]),
        ("--prefect-file other.yaml --all", ["one", "two"]),
        ("--prefect-file=other.yaml --name b", ["two"]),
        ("--prefect-file other.yaml -n a/a -n nothing", ["one"]),
        ("--prefect-file other.yaml -n *", ["one", "two"]),
        ("--prefect-file", []),
        ("-n api-to-gcs --pool tlc-docker", ["tlc-docker"]),
        ("flows/reconcile.py:reconcile -n mine -p tlc-docker", ["tlc-docker"]),
        ("flows/reconcile.py:reconcile -n mine", []),
    ],
)
def test_pools_are_those_of_what_is_deployed(
    words: str, pools: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("prefect.yaml").write_text((PROJECT / "prefect.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    named = "{name: a, work_pool: {name: one}}, {name: b, work_pool: {name: two}}"
    Path("other.yaml").write_text(f"deployments: [{named}]", encoding="utf-8")
    assert pools_needed(["prefect", "deploy", *words.split()]) == pools


def test_pools_of_the_project(tmp_path: Path) -> None:
    assert pools_named_in(PROJECT / "prefect.yaml") == [DEFAULT_POOL]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name: nothing",
        "deployments: [{name: a}, {name: b, work_pool: {}}, {name: c, work_pool: {name: '{{ $POOL }}'}}]",
        "deployments: text",
        "a: [",
    ],
)
def test_file_without_pools_names_none(text: str, tmp_path: Path) -> None:
    file = tmp_path / "prefect.yaml"
    file.write_text(text, encoding="utf-8")
    assert pools_named_in(file) == []
    assert pools_named_in(tmp_path / "missing.yaml") == pools_named_in(tmp_path) == []


def test_no_other_package_is_switched_on() -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    settings = tomllib.loads((PROJECT / "prefect.toml").read_text(encoding="utf-8"))["plugins"]
    assert settings["allow"] == list(declared["project"]["entry-points"]["prefect.plugins"])


def test_hook_imports_nothing_that_other_commands_would_pay_for() -> None:
    code = (
        "import sys, prefect.plugins as p; p.register_hook; before = set(sys.modules); "
        "import deployments.server.prefect_plugin; print(*sorted(set(sys.modules) - before))"
    )
    environment = {"PATH": "", "PREFECT_PLUGINS_ENABLED": "false"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["deployments", "deployments.server", "deployments.server.prefect_plugin"]
