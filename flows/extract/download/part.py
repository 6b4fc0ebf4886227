"""The unfinished file of a download, and which version of the source's file it is a part of."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from flows.extract.download.cache import CacheSlot, Version, disk_errors, note_path, read_version, write_version
from flows.extract.download.find import SourceFile
from flows.tlc.disk import FULL


class Part:
    """``size`` bytes of the version ``origin``, on disk; takes up what an earlier process left, if that may go on.

    Hold the slot's lock. Every method raises TargetUnavailable if the disk fails; a part that filled the disk is
    removed first, because a full disk stops more than this download.
    """

    def __init__(self, slot: CacheSlot, wanted: SourceFile):
        self._slot = slot
        self._url = wanted.url
        self._sink: BinaryIO | None = None
        self.origin = _resumable_origin(slot, wanted)
        self.size = slot.part.stat().st_size if self.origin else 0

    @property
    def path(self) -> Path:
        """Where it is on disk."""
        return self._slot.part

    @property
    def is_whole(self) -> bool:
        """Whether all bytes are here, as far as their number is known; more than all count as whole, too."""
        return self.origin is not None and self.origin.length is not None and self.size >= self.origin.length

    def begin(self, origin: SourceFile) -> None:
        """Empty the part: what comes from now on is of ``origin``."""
        self.drop()
        with disk_errors(self._slot.path, self._url):
            self._slot.part.touch()
            write_version(self._slot.part, Version(origin))
        self.origin = origin

    def append(self, piece: bytes) -> None:
        """Add what came next. It is in the file when this returns: a killed process loses nothing."""
        with disk_errors(self._slot.path, self._url):
            try:
                self._sink = self._sink or self._slot.part.open("ab", buffering=0)
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(self._sink.fileno(), rest) :]
            except OSError as error:
                if error.errno in FULL:
                    with suppress(OSError):
                        self._remove()
                raise
        self.size += len(piece)

    def end(self) -> None:
        """The source says that this is all: for a length that was not known before."""
        assert self.origin is not None
        self.origin = replace(self.origin, length=self.size)

    def decode(self, undo: Callable[[BinaryIO], Iterator[bytes]]) -> None:
        """Replace what has arrived by what ``undo`` makes of it; a kill halfway leaves a part that is begun anew.

        Raises what ``undo`` raises, and then has changed nothing.
        """
        with disk_errors(self._slot.path, self._url), tempfile.TemporaryFile(dir=self._slot.path.parent) as plain:
            with self._slot.part.open("rb") as encoded:
                plain.writelines(undo(encoded))
            note_path(self._slot.part).unlink(missing_ok=True)
            plain.seek(0)
            with self._slot.part.open("wb") as part:
                shutil.copyfileobj(plain, part)
            self.size = plain.tell()

    def drop(self) -> None:
        """Forget what has arrived."""
        with disk_errors(self._slot.path, self._url):
            self._remove()

    def close(self) -> None:
        """Let go of the file; what arrived stays for the next time."""
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def _remove(self) -> None:
        self.close()
        self.origin, self.size = None, 0
        note_path(self._slot.part).unlink(missing_ok=True)
        self._slot.part.unlink(missing_ok=True)


def _resumable_origin(slot: CacheSlot, wanted: SourceFile) -> SourceFile | None:
    """The version of a part left behind, if the source can be asked for the rest of just that version."""
    left = read_version(slot.part)
    if left is None or not slot.part.exists() or left.file.where != wanted.where or left.file.resumable_by is None:
        return None
    return left.file if wanted.etag in (None, left.file.etag) else None
