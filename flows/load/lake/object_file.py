"""An object of the lake as a file, so that a reader of Parquet fetches only the ranges that it needs."""

from __future__ import annotations

import io
from typing import Any

from flows.load.lake.protocol import Lake, LakeObject, ObjectChanged


class LakeFile(io.RawIOBase):
    """The object ``found`` for reading, by ranges; raises ObjectChanged if it is gone or shorter meanwhile."""

    def __init__(self, lake: Lake, found: LakeObject):
        self._lake = lake
        self._found = found
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to ``offset``, in bytes, from the start, from here, or from the end."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._found.bytes}[whence]
        self._place = max(start + offset, 0)
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` from here on; the number of bytes read, 0 at the end."""
        view = memoryview(buffer).cast("B")
        length = min(len(view), max(self._found.bytes - self._place, 0))
        if not length:
            return 0
        content = self._lake.read(self._found.name, start=self._place, length=length)
        if content is None or len(content) != length:
            raise ObjectChanged(self._lake.url_of(self._found.name))
        view[:length] = content
        self._place += length
        return length
