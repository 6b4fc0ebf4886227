"""What ``make up`` says when it is done."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from deployments.local.environment import platform_environment
from deployments.local.login import ensure_login, login_environment, login_file, read_login
from deployments.local.up import what_next


@pytest.mark.parametrize(
    "url", ["https://me:canary@host/trips", "https://host/trips?sig=canary", "https://canary@host/trips#canary"]
)
def test_source_is_named_without_what_opens_it(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLC_SOURCE_URL", url)
    said = what_next("http://127.0.0.1:4200/api", tmp_path, 1)
    assert "source   https://host/trips\n" in said
    assert "canary" not in said


def test_new_login_is_shown_once_and_its_file_afterwards(tmp_path: Path) -> None:
    assert ensure_login(tmp_path)
    file, login = login_file(tmp_path), read_login(tmp_path)
    assert login
    first = what_next("http://127.0.0.1:4200/api", tmp_path, 1, show_login=True)
    assert f"login    {login}\n" in first
    assert not ensure_login(tmp_path)
    again = what_next("http://127.0.0.1:4200/api", tmp_path, 1)
    assert f"login    in {file}\n" in again
    assert login not in again
    exported = f'export PREFECT_API_URL=http://127.0.0.1:4200/api PREFECT_API_AUTH_STRING="$(cat {file})"\n'
    assert exported in first
    assert exported in again


def test_server_without_a_login_has_none_to_show(tmp_path: Path) -> None:
    said = what_next("http://127.0.0.1:4200/api", tmp_path, 1)
    assert "  login" not in said
    assert "AUTH_STRING" not in said
    assert login_environment(tmp_path) == {}


def test_login_is_its_owners_whatever_the_umask_and_no_two_are_the_same(tmp_path: Path) -> None:
    logins = set()
    for name in ("one", "another"):
        (tmp_path / name).mkdir()
        before = os.umask(0)
        ensure_login(tmp_path / name)
        os.umask(before)
        assert stat.S_IMODE(login_file(tmp_path / name).stat().st_mode) == 0o600
        logins.add(read_login(tmp_path / name))
    assert len(logins) == 2
    assert all(re.fullmatch(r"tlc:[\w-]{32}", login or "") for login in logins)


def test_login_that_a_kill_left_half_written_is_made_anew(tmp_path: Path) -> None:
    login_file(tmp_path).with_suffix(".part").write_text("tlc:half")
    assert read_login(tmp_path) is None
    assert ensure_login(tmp_path)
    assert (read_login(tmp_path) or "").startswith("tlc:")


def test_services_and_commands_of_the_platform_know_the_login(tmp_path: Path) -> None:
    ensure_login(tmp_path)
    environment = platform_environment(tmp_path, "http://127.0.0.1:4200/api")
    login = read_login(tmp_path)
    assert [environment[f"PREFECT_{name}"] for name in ("SERVER_API_AUTH_STRING", "API_AUTH_STRING")] == [login, login]
