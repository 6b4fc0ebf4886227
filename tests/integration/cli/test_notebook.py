"""The notebook of ten questions runs, and each of its questions has an answer."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil

from deployments.local.notebook import NOTEBOOK
from deployments.server.declared import PROJECT
from flows.load.duckdb.month import DuckDbWarehouse
from flows.load.lake.codes import replace_codes
from flows.load.lake.folder import FolderLake
from flows.tlc.codes import schema_codes, zone_rows


def test_ten_questions_are_answered(local: Path) -> None:
    lake = FolderLake(local / "local" / "lake")
    zones = [(number, "Queens", f"Zone {number}", "Boro Zone") for number in range(1, 266)]
    replace_codes(lake, [*schema_codes(), zone_rows(zones, "v1")])
    DuckDbWarehouse(local / "local" / "warehouse.duckdb").load_codes(lake)
    spec = importlib.util.spec_from_file_location("ten_questions", NOTEBOOK)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    _, defined = module.app.run()
    answers = [defined[f"answer_{number}"] for number in range(1, 11)]
    assert [answer.empty for answer in answers] == [False] * 10
    assert answers[0]["trips"].tolist() == [300, 200]
    assert "Credit card" in answers[3]["name"].tolist()
    assert answers[9]["rows_read"].tolist() == [300, 200]


def test_token_is_in_no_command_line_and_opens_the_notebook(tmp_path: Path) -> None:
    """The command line of a browser that marimo starts would have it."""
    empty, browser = tmp_path / "empty.py", tmp_path / "xdg-open"
    empty.write_text("import marimo\n\napp = marimo.App()\n")
    browser.write_text(f"#!/bin/sh\ntouch {tmp_path}/opened\n")
    browser.chmod(0o755)
    call = f"from pathlib import Path; from deployments.local.notebook import serve; serve(Path({str(empty)!r}))"
    settings = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "BROWSER": str(browser), "DISPLAY": ":0"}
    served = subprocess.Popen(
        [sys.executable, "-c", call],
        stdout=subprocess.PIPE, cwd=PROJECT, text=True, start_new_session=True, env=os.environ | settings,
    )  # fmt: skip
    try:
        assert served.stdout
        url, token = served.stdout.readline().removeprefix("Open ").strip().split("?access_token=")
        wait_until_served(url)
        with httpx.Client(follow_redirects=True) as client:
            stranger = client.get(url)
            assert (stranger.status_code, stranger.url.path) != (200, "/")
            assert client.get(url, params={"access_token": token}).status_code == 200
        parent = psutil.Process(served.pid)
        lines = [one.cmdline() for one in (parent, *parent.children(recursive=True))]
        assert len(lines) >= 2
        assert token not in str(lines)
        assert not (tmp_path / "opened").exists()
    finally:
        os.killpg(served.pid, signal.SIGKILL)
        served.wait()


def wait_until_served(url: str) -> None:
    for _ in range(600):
        try:
            httpx.get(url)
        except httpx.ConnectError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the notebook was not served within a minute")
