"""A local folder as the lake: hard links and renames where Cloud Storage has copies, one lock file for all writers.

A link takes no time and no space whatever the object's size. On a disk without links, bytes are copied.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from flows.load.lake import TEMPORARY, LakeObject, ObjectChanged, Turn, read_manifest
from flows.load.lake_crc32c import crc32c_of, crc32c_of_file
from flows.load.manifest import Manifest
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetLocked, TargetUnavailable
from flows.tlc.month import Month

# Replacing a month takes milliseconds: who waits this long waits for a process that hangs.
TURN_SECONDS = 600.0
# Where who has the turn writes what is to be renamed: whatever is there when the turn begins was left by a kill.
_LOCK = ".lock"
_UNFINISHED = f"{TEMPORARY}unfinished"


class _HeldTurn:
    """The kernel's lock: it ends with the process, so nobody takes it over."""

    def check(self) -> None:
        """Nothing: the lock is held."""


@dataclass(frozen=True)
class FolderLake:
    """The lake below ``root``; made at the first write. ``turn_seconds``: how long to wait for another writer."""

    root: Path
    turn_seconds: float = TURN_SECONDS

    @property
    def url(self) -> str:
        return f"file://{self.root.absolute()}"

    def url_of(self, name: str) -> str:
        """``file:///…`` with the name as it is: DuckDB and pyarrow decode no %3D."""
        return f"{self.url}/{name}"

    def path_of(self, name: str) -> Path:
        """Where the object is on disk."""
        return self.root / name

    def find(self, name: str) -> LakeObject | None:
        """See Lake."""
        path = self.path_of(name)
        try:
            return LakeObject(name, path.stat().st_size, crc32c_of_file(path))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def list(self, prefix: str) -> list[LakeObject]:
        """See Lake."""
        found = []
        for folder, _, files in os.walk(self.root / prefix.rpartition("/")[0]):
            for file in files:
                if file == _LOCK:
                    continue
                path = Path(folder, file)
                name = path.relative_to(self.root).as_posix()
                if name.startswith(prefix):
                    found.append(LakeObject(name, path.stat().st_size, None))
        return sorted(found, key=lambda item: item.name)

    def read(self, name: str, *, start: int = 0, length: int | None = None) -> bytes | None:
        """See Lake."""
        try:
            with self.path_of(name).open("rb") as file:
                file.seek(start)
                return file.read(-1 if length is None else length)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_current(self, name: str) -> tuple[bytes, None] | None:
        """See Lake."""
        content = self.read(name)
        return None if content is None else (content, None)

    def upload(self, path: Path, name: str, crc32c: str) -> LakeObject:
        """See Lake."""
        with self._placing(name) as unfinished:
            _link_or_copy(path, unfinished)
            _sync(unfinished)
            if crc32c_of_file(unfinished) != crc32c:
                raise TargetUnavailable(f"{self.url_of(name)} is damaged on disk: its CRC32C is not {crc32c}.")
        return LakeObject(name, path.stat().st_size, crc32c)

    def copy(self, source: LakeObject, name: str, *, replaces: int | None) -> LakeObject:  # noqa: ARG002
        """See Lake."""
        original = self.path_of(source.name)
        with self._placing(name) as unfinished:
            try:
                _link_or_copy(original, unfinished)
            except FileNotFoundError as error:
                raise ObjectChanged(self.url_of(source.name)) from error
            if unfinished.stat().st_size != source.bytes:
                raise ObjectChanged(self.url_of(source.name))
        return LakeObject(name, source.bytes, source.crc32c)

    def write(self, name: str, content: bytes, *, replaces: int | None) -> LakeObject:  # noqa: ARG002
        """See Lake."""
        with self._placing(name) as unfinished:
            unfinished.write_bytes(content)
            _sync(unfinished)
        return LakeObject(name, len(content), crc32c_of(content))

    def delete(self, found: LakeObject) -> None:
        """Remove the file, and the folders that it leaves empty."""
        path = self.path_of(found.name)
        with self._disk_errors(found.name):
            path.unlink(missing_ok=True)
        for folder in path.relative_to(self.root).parents:
            try:
                (self.root / folder).rmdir()
            except OSError:  # not empty, or gone: the rest is somebody's
                return

    @contextmanager
    def turn(self, key: str) -> Iterator[Turn]:
        """See Lake."""
        with self._disk_errors(_LOCK):
            self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / _LOCK)
        try:
            lock.acquire(timeout=self.turn_seconds)
        except Timeout as error:
            raise TargetLocked(
                f"another process has been writing to the lake {self.url} for {self.turn_seconds:.0f} s while {key} "
                "waited. Run again when it has ended; the month is as it was."
            ) from error
        try:
            shutil.rmtree(self.root / _UNFINISHED, ignore_errors=True)
            yield _HeldTurn()
        finally:
            lock.release()

    def read_manifest(self, dataset: Dataset, month: Month) -> Manifest | None:
        """See Lake."""
        return read_manifest(self, dataset, month)

    @contextmanager
    def _placing(self, name: str) -> Iterator[Path]:
        """A path for what is unfinished; at the end it becomes the object, whole."""
        path = self.path_of(name)
        # Beside a temporary object it goes with that one's folder, whoever clears it.
        folder = path.parent if name.startswith(TEMPORARY) else self.root / _UNFINISHED
        unfinished = folder / uuid.uuid4().hex
        with self._disk_errors(name):
            _make_folder(path.parent)
            _make_folder(folder)
            try:
                yield unfinished
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)
            _sync(path.parent)

    @contextmanager
    def _disk_errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TargetUnavailable(
                f"{self.url_of(name)} cannot be written: {error.strerror or error}. Free space there, or give this "
                "user the right to write, and run again; the month is as it was."
            ) from error


def _make_folder(folder: Path) -> None:
    for _ in range(5):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return
        except FileNotFoundError:  # another writer's `delete` just removed the empty parent
            continue


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)
        _sync(target)


def _sync(path: Path) -> None:
    """Have what is written survive a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
