"""The profile gcs-emulator of the compose file: its one-shot makes the bucket of the lake, again without harm."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.servers.compose_file import PROJECT
from tests.servers.gcs import FakeGcs


def make_bucket(**settings: str) -> subprocess.CompletedProcess[str]:
    text = (PROJECT / "docker-compose.yml").read_text(encoding="utf-8")
    python, *arguments = yaml.safe_load(text)["services"]["gcs-bucket"]["command"].split()
    assert python == "python"
    without = {name: value for name, value in os.environ.items() if not name.startswith(("TLC_", "STORAGE_"))}
    return subprocess.run(
        [sys.executable, *arguments], env=without | settings, cwd=PROJECT, capture_output=True, text=True, check=False
    )


def test_bucket_is_made_once(tmp_path: Path) -> None:
    with FakeGcs(tmp_path) as gcs:
        settings = {"STORAGE_EMULATOR_HOST": gcs.url, "TLC_LAKE_URL": "gs://tlc-lake/prefix"}
        first, again = make_bucket(**settings), make_bucket(**settings)
        assert (first.returncode, first.stdout) == (0, "Made the bucket tlc-lake.\n"), first.stderr
        assert (again.returncode, again.stdout) == (0, "The bucket tlc-lake is there.\n"), again.stderr
        assert gcs.client().bucket("tlc-lake").exists()


def test_a_real_bucket_and_a_folder_are_refused() -> None:
    assert "STORAGE_EMULATOR_HOST is not set" in make_bucket(TLC_LAKE_URL="gs://tlc-lake").stderr
    folder = make_bucket(TLC_LAKE_URL="file:///data/lake", STORAGE_EMULATOR_HOST="http://127.0.0.1:9")
    assert "is no bucket: to use the emulator, set it to gs://some-name" in folder.stderr
