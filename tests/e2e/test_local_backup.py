"""docs/backup.md for ``make up``: the tar of one platform is another one, in a new folder."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.server.declared import PROJECT
from deployments.tlc_site.site import TripSite
from tests.e2e.platform import Platform, platform_up
from tests.servers.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.timeout(900)

PAGE = (PROJECT / "docs" / "backup.md").read_text(encoding="utf-8")
LEDGER = "select * from tlc.loads order by load_id"


def tar_lines(before: Path, after: Path, archive: Path) -> list[str]:
    """The page's two lines of tar, the one that packs and the one that unpacks, with these folders."""
    lines = re.findall(r"tar -C [^`\n]+", PAGE)
    assert len(lines) == 2
    places = {" .local ": f" {before} ", " folder ": f" {after} ", "platform.tar": str(archive)}
    for named, place in places.items():
        lines = [line.replace(named, place) for line in lines]
    return lines


def call(platform: Platform, expression: str) -> str:
    """What an expression with a flow is, in a shell of this platform."""
    command = [sys.executable, "-c", f"import flows; print({expression})"]
    done = subprocess.run(command, cwd=PROJECT, env=platform.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def restored(tlc: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, list[tuple]]]:
    """A platform in a new folder, while the first one is down, and the ledger of the first one."""
    folder = Path(tempfile.mkdtemp(prefix="tlc-e2e-"))
    with (
        TripSite([tlc / "cdn", tlc / "mirror"]) as site,
        closing(WebhookReceiver()) as alerts,
        platform_up(site, alerts) as first,
    ):
        call(first, "flows.load_month(dataset='green', month='2020-12')")
        ledger = first.query(LEDGER)
        first.make("down")
        for line in tar_lines(first.folder, folder, tmp_path_factory.mktemp("backup") / "platform.tar"):
            subprocess.run(["sh", "-c", line], check=True)
        second = replace(first, folder=folder)
        try:
            second.make("up", f"PORT={first.taken_port}")
            yield second, ledger
        finally:
            second.make("down")
            shutil.rmtree(folder, ignore_errors=True)


def test_a_platform_is_moved_by_its_tar(restored: tuple[Platform, list[tuple]]) -> None:
    """It has the ledger, the runs that it names, and data that do not differ and are not loaded again."""
    platform, ledger = restored
    assert platform.query(LEDGER) == ledger
    assert len(ledger) == 1
    with platform.client() as client:
        runs = {str(run.id) for run in client.read_flow_runs()}
    assert {run for (run,) in platform.query("select flow_run_id::text from tlc.loads")} <= runs
    assert "2020-12 is the same in" in call(platform, "flows.reconcile(dataset='green').sentence")
    statuses = "{target.status for target in flows.load_month(dataset='green', month='2020-12').legs}"
    assert call(platform, statuses) == "{'unchanged'}"
