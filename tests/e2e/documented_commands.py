"""``make check-pages``: the commands of the pages for users, as they stand there, from ``make up`` to ``make down``.

Apart from the other tests: some of them do the same, one by one, and these take minutes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.local.login import login_environment
from deployments.local.process import Processes
from deployments.server.declared import PROJECT
from tests.servers.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.timeout(600)

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)$", re.MULTILINE)
# The first is what runs this; the platform is brought down at the end.
NOT_HERE = ("make test", "make down")


@dataclass(frozen=True)
class Shell:
    """The shell of a user in the checkout, with what the pages have them export."""

    environment: Mapping[str, str]

    def run(self, command: str) -> str:
        """The output of a command, which has to succeed."""
        done = subprocess.run(
            ["bash", "-c", command], cwd=PROJECT, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def run_page(self, page: str, placeholder: str = "", value: str = "") -> dict[str, str]:
        """What each command of the page's console blocks says, exports apart, with ``value`` for ``placeholder``."""
        text = (PROJECT / page).read_text(encoding="utf-8")
        found = [command for block in _BLOCK.findall(text) for command in _COMMAND.findall(block)]
        wanted = [command for command in found if not command.startswith(("export ", *NOT_HERE))]
        return {command: self.run(command.replace(placeholder or command, value or command)) for command in wanted}

    def ask(self, path: str, **wanted: Any) -> Any:
        """What Prefect's server has."""
        user, _, password = self.environment["PREFECT_API_AUTH_STRING"].partition(":")
        url = f"{self.environment['PREFECT_API_URL']}/{path}"
        return httpx.post(url, json=wanted, auth=(user, password)).raise_for_status().json()


@pytest.fixture(scope="module")
def shell(receiver: WebhookReceiver) -> Iterator[Shell]:
    """With a platform of its own, as the first command of docs/laptop.md makes it."""
    folder = Path(tempfile.mkdtemp(prefix="tlc-pages-"))
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PREFECT_", "TLC_"))
    }
    environment = kept | {"TLC_LOCAL_DIR": str(folder), "TLC_ALERT_WEBHOOK_URL": receiver.url, "COLUMNS": "160"}
    shell = Shell(environment)
    try:
        shell.run("make up DEMO=1 PORT=0")
        notes = [Processes(folder).note(name) for name in ("server", "site")]
        server, site = (f"http://127.0.0.1:{note.port}" for note in notes if note)
        environment |= {"PREFECT_API_URL": f"{server}/api", "TLC_SOURCE_URL": site, "TLC_MIRROR_URL": site}
        environment |= login_environment(folder)
        yield shell
    finally:
        shell.run("make down")
        shutil.rmtree(folder, ignore_errors=True)


def said_by(said: Mapping[str, str], part: str) -> str:
    """The output of the one command that has this part."""
    (text,) = (text for command, text in said.items() if part in command)
    return text


def test_laptop(shell: Shell) -> None:
    (sync,) = (one for one in shell.ask("deployments/filter") if one["name"] == "sync-new-months")
    said = shell.run_page("docs/laptop.md", "SCHEDULE_ID", sync["schedules"][0]["id"])
    assert "Flow run finished successfully in 'Completed'." in said_by(said, "run api-to-postgres")
    assert "Created flow run" in said_by(said, "run backfill")
    assert said["make status"].count(" runs ") == 5
    assert "0 7 * * *" in said_by(said, "schedule ls")
    (sync,) = (one for one in shell.ask("deployments/filter") if one["name"] == "sync-new-months")
    assert [one["active"] for one in sync["schedules"]].count(False) == 1


def test_readme(shell: Shell) -> None:
    said = shell.run_page("README.md")
    assert "tlc-postgres" in said_by(said, "blocks.register")
    assert "months" in said_by(said, "flows plan")
    assert "unchanged" in shell.run("make demo")


def test_operate(shell: Shell) -> None:
    (run, *_) = shell.ask("flow_runs/filter", sort="START_TIME_DESC", limit=1)
    said = shell.run_page("docs/operate.md", "<run>", run["id"])
    assert "tlc-alerts" in said_by(said, "blocks.register")
    assert "alert on failed" in said_by(said, "automation ls")
    assert run["name"] in said_by(said, "flow-run inspect")


def test_reconcile(shell: Shell) -> None:
    shell.run_page("docs/reconcile.md")
    (run,) = shell.ask("flow_runs/filter", sort="START_TIME_DESC", limit=1, flows={"name": {"any_": ["reconcile"]}})
    assert run["state_name"] == "Completed"
