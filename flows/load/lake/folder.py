"""A local folder as the lake: hard links and renames instead of Cloud Storage's copies, one lock file for all writers.

A link takes no time and no space whatever the object's size. On a disk without links, bytes are copied.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from flows.load.crc32c import crc32c_of, crc32c_of_file
from flows.load.lake.folder_disk import GONE, link_or_copy, lock_in_new_folder, make_folder, sync, unless_gone
from flows.load.lake.protocol import TEMPORARY, Lake, LakeObject, ObjectChanged, WriteLock
from flows.tlc.disk import FULL
from flows.tlc.errors import TargetLocked, TargetUnavailable
from flows.tlc.urls import path_to_url

# Replacing a month takes milliseconds: a wait this long is for a process that hangs.
LOCK_SECONDS = 600.0
# Where the lock's holder writes what is to be renamed: whatever is there when the lock is taken was left by a kill.
_LOCK = ".lock"
# Beside a load's temporary objects, locked while it lives.
_MARK = "lock"
_UNFINISHED = f"{TEMPORARY}unfinished"


class _HeldWriteLock:
    """The kernel's lock: it ends with the process, so nobody takes it over."""

    def check(self) -> None:
        """Nothing: the lock is held."""


@dataclass(frozen=True)
class FolderLake(Lake):
    """The lake below ``root``; made at the first write. ``lock_seconds``: how long to wait for another writer."""

    root: Path
    lock_seconds: float = LOCK_SECONDS

    @property
    def url(self) -> str:
        return path_to_url(self.root.absolute())

    def url_of(self, name: str) -> str:
        """``file:///…`` with the name as it is."""
        return f"{self.url}/{name}"

    def path_of(self, name: str) -> Path:
        """Where the object is on disk."""
        return self.root / name

    def find(self, name: str) -> LakeObject | None:
        """See Lake."""
        path = self.path_of(name)
        with self._disk_errors(name, "read"):
            try:
                return LakeObject(name, path.stat().st_size, crc32c_of_file(path))
            except (*GONE, IsADirectoryError):
                return None

    def list(self, prefix: str) -> list[LakeObject]:
        """See Lake. What goes while it is listed is another load's, and not listed."""
        found = []
        with self._disk_errors(prefix, "read"):
            for folder, _, files in os.walk(self.root / prefix.rpartition("/")[0], onerror=unless_gone):
                for file in files:
                    path = Path(folder, file)
                    name = path.relative_to(self.root).as_posix()
                    if file != _LOCK and name.startswith(prefix):
                        with suppress(FileNotFoundError):
                            found.append(LakeObject(name, path.stat().st_size, None))
        return sorted(found, key=lambda item: item.name)

    def read(self, name: str, *, start: int = 0, length: int | None = None) -> bytes | None:
        """See Lake."""
        with self._disk_errors(name, "read"):
            try:
                with self.path_of(name).open("rb") as file:
                    file.seek(start)
                    return file.read(-1 if length is None else length)
            except GONE:
                return None

    def read_current(self, name: str) -> tuple[bytes, None] | None:
        """See Lake."""
        content = self.read(name)
        return None if content is None else (content, None)

    def upload(self, path: Path, name: str, crc32c: str) -> LakeObject:
        """See Lake."""
        with self._placing(name) as unfinished:
            link_or_copy(path, unfinished)
            sync(unfinished)
            if crc32c_of_file(unfinished) != crc32c:
                raise TargetUnavailable(f"{self.url_of(name)} is damaged on disk: its CRC32C is not {crc32c}.")
        return LakeObject(name, path.stat().st_size, crc32c)

    def copy(self, source: LakeObject, name: str, *, replaces: int | None) -> LakeObject:  # noqa: ARG002
        """See Lake."""
        with self._placing(name) as unfinished:
            link_or_copy(self.path_of(source.name), unfinished)
            if unfinished.stat().st_size != source.bytes:
                raise ObjectChanged(self.url_of(source.name))
        return LakeObject(name, source.bytes, source.crc32c)

    def write(self, name: str, content: bytes, *, replaces: int | None) -> LakeObject:  # noqa: ARG002
        """See Lake."""
        with self._placing(name) as unfinished:
            unfinished.write_bytes(content)
            sync(unfinished)
        return LakeObject(name, len(content), crc32c_of(content))

    def delete(self, found: LakeObject) -> None:
        """Remove the file, and the folders that it leaves empty."""
        path = self.path_of(found.name)
        with self._disk_errors(found.name):
            path.unlink(missing_ok=True)
        self._remove_empty(path.parent)

    @contextmanager
    def lock_month(self, key: str) -> Iterator[WriteLock]:
        """See Lake."""
        with self._disk_errors(_LOCK):
            self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / _LOCK)
        try:
            with self._disk_errors(_LOCK):
                lock.acquire(timeout=self.lock_seconds)
        except Timeout as error:
            raise TargetLocked(
                f"another process has been writing to the lake {self.url} for {self.lock_seconds:.0f} s while {key} "
                "waited. Run again when it has ended; the month is as it was."
            ) from error
        try:
            shutil.rmtree(self.root / _UNFINISHED, ignore_errors=True)
            yield _HeldWriteLock()
        finally:
            lock.release()

    @contextmanager
    def staging(self, prefix: str) -> Iterator[None]:
        """See Lake. The kernel's lock tells that the load is running; the locked file keeps the folder there."""
        mark = self.path_of(f"{prefix}{_MARK}")
        with self._disk_errors(prefix):
            lock = lock_in_new_folder(mark)
        try:
            yield
        finally:
            with suppress(OSError):  # the next load of the month removes what is left
                mark.unlink(missing_ok=True)
                self._remove_empty(mark.parent)
            lock.release()

    def is_staging(self, prefix: str) -> bool:
        """See Lake."""
        mark = self.path_of(f"{prefix}{_MARK}")
        try:
            with self._disk_errors(prefix), suppress(*GONE), FileLock(mark, timeout=0):
                mark.unlink()
                self._remove_empty(mark.parent)
        except Timeout:
            return True
        return False

    def _remove_empty(self, folder: Path) -> None:
        """Remove the folder if it is empty, and those above it that this leaves empty."""
        with suppress(OSError):  # not empty, or gone: the rest is somebody's
            while folder.is_relative_to(self.root):
                folder.rmdir()
                folder = folder.parent

    @contextmanager
    def _placing(self, name: str) -> Iterator[Path]:
        """A path for what is unfinished; at the end it becomes the object, whole.

        Raises ObjectChanged if what it is made of, or its place, is taken away meanwhile.
        """
        path = self.path_of(name)
        # Beside a temporary object it goes with that one's folder, whoever clears it.
        folder = path.parent if name.startswith(TEMPORARY) else self.root / _UNFINISHED
        unfinished = folder / uuid.uuid4().hex
        with self._disk_errors(name):
            try:
                make_folder(path.parent)
                make_folder(folder)
                try:
                    yield unfinished
                    unfinished.replace(path)
                finally:
                    unfinished.unlink(missing_ok=True)
                sync(path.parent)
            except FileNotFoundError as error:
                raise ObjectChanged(self.url_of(name)) from error

    @contextmanager
    def _disk_errors(self, name: str, done: str = "written") -> Iterator[None]:
        try:
            yield
        except Timeout:  # an OSError too, and for the caller
            raise
        except OSError as error:
            what = "Free space there, or give" if error.errno in FULL else "Give"
            raise TargetUnavailable(
                f"{self.url_of(name)} cannot be {done}: {error.strerror or error}. {what} this user the right to "
                f"{'read' if done == 'read' else 'write'}, and run again; the month is as it was."
            ) from error
