"""docs/server.md: the lines that fill .env, run as they stand there."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from pathlib import Path

from tests.servers.compose_file import PROJECT, read_compose

PAGE = (PROJECT / "docs" / "server.md").read_text(encoding="utf-8")


def filled(folder: Path) -> dict[str, str]:
    """What .env has after the lines that come before Compose's in the first block of the page."""
    shutil.copy(PROJECT / ".env.example", folder)
    block = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)[0]
    lines, compose, _ = block.partition("docker compose up")
    assert compose
    subprocess.run(["sh", "-euc", lines], cwd=folder, check=True)
    written = (folder / ".env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in written if re.match(r"[A-Z_]+=", line))


def test_every_secret_is_made_as_compose_and_the_server_take_it(tmp_path: Path) -> None:
    secrets = filled(tmp_path)
    assert read_compose(secrets)["services"].keys() >= {"server", "worker"}  # it refuses one that is missing
    assert len(base64.urlsafe_b64decode(secrets.pop("PREFECT_ENCRYPTION_KEY"))) == 32
    user, _, secrets["PREFECT_AUTH"] = secrets["PREFECT_AUTH"].partition(":")
    assert user == "tlc"
    assert [name for name, secret in secrets.items() if not re.fullmatch("[0-9a-f]{48}", secret)] == []
    assert len(set(secrets.values())) == len(secrets) == 6


def test_nobody_else_may_read_them(tmp_path: Path) -> None:
    filled(tmp_path)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_an_upgrade_sets_the_images_tag_to_the_commit(tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "backup.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"^grep .*TLC_IMAGE_TAG.*\n.*mv .*$", page, flags=re.MULTILINE)
    who = ["-c", "user.name=-", "-c", "user.email=-"]
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", *who, "commit", "--quiet", "--allow-empty", "-m", "-"], cwd=tmp_path, check=True)
    (tmp_path / ".env").write_text("PREFECT_AUTH=tlc:canary\nTLC_IMAGE_TAG=old\n", encoding="utf-8")
    subprocess.run(["sh", "-euc", lines], cwd=tmp_path, check=True)
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert (tmp_path / ".env").read_text(encoding="utf-8") == f"PREFECT_AUTH=tlc:canary\nTLC_IMAGE_TAG={said.stdout}"
