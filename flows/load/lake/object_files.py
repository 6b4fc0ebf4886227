"""Objects of the lake as a read-only file system, for a reader that fetches ranges of files by name: DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from fsspec.spec import AbstractFileSystem

from flows.load.lake.object_file import LakeFile
from flows.load.lake.protocol import Lake, LakeObject, ObjectChanged
from flows.tlc.errors import TargetBusy

PROTOCOL = "lake"
_WRITTEN = datetime(2009, 1, 1, tzinfo=UTC)


class LakeObjects(AbstractFileSystem):  # type: ignore[misc] # fsspec is untyped
    """The ``objects``, by name, and nothing else of the lake: no listing, no pattern, no writing.

    ``error`` is what went wrong in it first: readers in C++ pass on nothing but its text.
    """

    protocol = PROTOCOL
    cachable = False  # of another query, with other objects

    def __init__(self, lake: Lake, objects: Mapping[str, LakeObject]):
        super().__init__()
        self._lake = lake
        self._objects = objects
        self.error: Exception | None = None

    def exists(self, path: str, **_: Any) -> bool:
        """Whether it is one of the objects."""
        return self._name(path) in self._objects

    def glob(self, path: str, **_: Any) -> list[str]:
        """The object of that very name: a name is no pattern here."""
        return [path] if self.exists(path) else []

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Name and size, as the lake's manifest has them. Raises FileNotFoundError for any other file."""
        found = self._find(path)
        return {"name": found.name, "size": found.bytes, "type": "file"}

    def modified(self, path: str) -> datetime:
        """The same for all: the objects of one query are of one version."""
        self._find(path)
        return _WRITTEN

    def open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        """The object for reading by ranges. Raises PermissionError for writing."""
        if mode != "rb":
            raise PermissionError(f"{path} can be read, and nothing else")
        return _Noting(self, self._lake, self._find(path))

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Keep what is raised within."""
        try:
            yield
        except ObjectChanged as error:
            self.error = self.error or rewritten(str(error))
            raise
        except Exception as error:
            self.error = self.error or error
            raise

    def _find(self, path: str) -> LakeObject:
        found = self._objects.get(self._name(path))
        if found is None:
            raise FileNotFoundError(path)
        return found

    @staticmethod
    def _name(path: str) -> str:
        return path.removeprefix(f"{PROTOCOL}://")


class _Noting(LakeFile):
    def __init__(self, files: LakeObjects, lake: Lake, found: LakeObject):
        super().__init__(lake, found)
        self._files = files

    def readinto(self, buffer: Any) -> int:
        """See LakeFile."""
        with self._files.noting():
            return super().readinto(buffer)


def rewritten(what: str) -> TargetBusy:
    """The error of a query that met two versions of a month."""
    return TargetBusy(f"{what} was replaced while the query read it, so its answer is of no use. Run again.")
