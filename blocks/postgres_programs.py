"""The programs of Postgres that a wheel brings, and copies of them for who can't run them as they lie there."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock

from blocks.postgres_access import SHORT, PostgresFailed

# Only root writes there, everybody may enter, and it stays: what is below /tmp goes if nobody reads it for some days.
_COPIES = Path("/var/cache/nyc-taxi-flows")


def wheel_programs(package: str, folder: str) -> Path | None:
    """The folder with ``postgres`` and ``initdb`` in a wheel, which is not imported; None if it is not installed."""
    spec = find_spec(package)
    return Path(spec.origin).parent / folder / "bin" if spec and spec.origin else None


def programs_for_server(programs: Path) -> Path:
    """The programs, or if we are root and they are closed to others, as whom the server runs, a copy that is not.

    The folders above a checkout are not ours to open. Raises PostgresFailed if there can't be a copy.
    """
    programs = programs.resolve()  # not by a link in a folder that is closed to others
    if os.geteuid() != 0 or _open_to_all(programs):
        return programs
    status = (programs / "postgres").stat()
    version = f"{programs} {status.st_mtime_ns} {status.st_size}"
    kept = _COPIES / hashlib.sha256(os.fsencode(version)).hexdigest()[:12]
    try:
        _COPIES.mkdir(exist_ok=True)
        _COPIES.chmod(0o755)
        with FileLock(_COPIES / "lock", mode=0o600):
            if not kept.exists():
                unfinished = _COPIES / "unfinished"
                shutil.rmtree(unfinished, ignore_errors=True)  # of who was killed meanwhile
                unfinished.mkdir()
                _copied(programs, unfinished)
                unfinished.rename(kept)
    except OSError as error:
        raise PostgresFailed(
            f"Postgres does not run as root, and only root may enter {programs}; a copy below {_COPIES} fails: {error}."
        ) from error
    return _below(kept, programs)


@contextmanager
def quotable(programs: Path) -> Iterator[Path]:
    """The programs, or for a while a copy of them: initdb calls the others through a shell, in double quotes."""
    if not set(str(programs)) & set('"$`\\'):
        yield programs
        return
    with tempfile.TemporaryDirectory(prefix="tlc-", dir=SHORT) as name:
        yield _copied(programs, Path(name))


def _open_to_all(programs: Path) -> bool:
    """Whether every user may enter the folders above and run the server."""
    above = all(folder.stat().st_mode & stat.S_IXOTH for folder in (programs, *programs.parents))
    allowed = (programs / "postgres").stat().st_mode
    return above and bool(allowed & stat.S_IROTH and allowed & stat.S_IXOTH)


def _copied(programs: Path, place: Path) -> Path:
    """A copy in ``place``, which everybody may run from now on: they are public."""
    copy = _below(place, programs)
    shutil.copytree(programs.parent, copy.parent, symlinks=True)
    wheel = programs.parents[1]
    libraries = wheel.with_suffix(".libs")
    if libraries.exists():  # the programs look for them beside the wheel
        shutil.copytree(libraries, place / libraries.name, symlinks=True)
    for path in (place, *place.rglob("*")):
        if not path.is_symlink():  # its target has a mode of its own
            path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
    return copy


def _below(place: Path, programs: Path) -> Path:
    """Where a copy in ``place`` has the programs."""
    return place.joinpath(*programs.parts[-3:])
