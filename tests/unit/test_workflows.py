"""GitHub's workflows run nothing that somebody else can change, with no more rights than they need."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

WORKFLOWS = sorted((Path(__file__).resolve().parents[2] / ".github" / "workflows").glob("*.y*ml"))
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def test_there_are_workflows() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit_and_says_which_release_it_is(path: Path) -> None:
    uses = [line.strip().removeprefix("- ") for line in path.read_text().splitlines() if "uses:" in line]
    assert uses
    assert [line for line in uses if not PINNED.match(line)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_rights_are_to_read_only_and_no_secret_is_given_away(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert [name for name, job in workflow["jobs"].items() if "permissions" in job] == []
    # YAML reads the key `on` as true. With this event, code of a fork would run with the repository's rights.
    assert "pull_request_target" not in workflow[True]
    assert "secrets." not in path.read_text()


@pytest.mark.parametrize("action", ["actions/checkout@v5", "actions/checkout@main # v5.0.0", "a/b@08c6903 # v1.0.0"])
def test_what_may_change_is_no_pin(action: str) -> None:
    assert not PINNED.match(f"uses: {action}")
