"""What this project keeps on a machine is its owner's, whatever the umask and whoever else has a login there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.settings import make_private
from flows.tasks.connect import open_lake, open_warehouse

NOT_ROOT = "NOT ROOT: only root may become another user"
SOMEBODY, SOMEBODY_ELSE = 65534, 65533


@pytest.fixture(params=[0, 0o022, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize("opened", [open_lake, open_warehouse])
def test_local_folder_is_its_owners(opened, umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for who calls the flows, without any command that would close it first."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setenv("TLC_LOCAL_DIR", str(tmp_path / "local"))
    opened()
    assert stat.S_IMODE((tmp_path / "local").stat().st_mode) == 0o700


def as_somebody(folder: Path) -> str:
    """What ``make_private`` does for another user."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        os.setgroups([])
        os.setgid(SOMEBODY)
        os.setuid(SOMEBODY)
        try:
            make_private(Path())  # the folders above are closed to that user
            os.write(writing, b"made")
        except PermissionError:
            os.write(writing, b"refused")
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        return pipe.read()


@pytest.mark.skipif(os.geteuid() != 0, reason=NOT_ROOT)
@pytest.mark.parametrize(
    ("owner", "said", "then"),
    [(SOMEBODY, "made", 0o700), (0, "made", 0o777), (SOMEBODY_ELSE, "refused", 0o777)],
    ids=["own", "a mounted volume", "somebody else's"],
)
def test_folder_of_somebody_else_is_refused(owner: int, said: str, then: int, tmp_path: Path) -> None:
    folder = tmp_path / "local"
    folder.mkdir()
    folder.chmod(0o777)
    os.chown(folder, owner, owner)
    assert as_somebody(folder) == said
    assert stat.S_IMODE(folder.stat().st_mode) == then


def test_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    (tmp_path / "local").mkdir(mode=0o755)
    make_private(tmp_path / "local")
    assert stat.S_IMODE((tmp_path / "local").stat().st_mode) == 0o700
