"""Locks on Cloud Storage: an object that only one writer can create, taken over when its writer was killed.

Nothing depends on a clock: who waits watches the object, and only one that stays unchanged is taken over, by a write
under the precondition of its generation. A writer that was merely slow finds out (``check``), and its writes fail by
the generations of what the other one wrote.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from flows.load.lake.protocol import ABSENT, Lake, LakeObject, ObjectChanged
from flows.tlc.errors import TargetError, TargetLocked

LOCK_SECONDS = 600.0
_PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class GcsWriteLock:
    """The lock, while its object is the one that we wrote."""

    lake: Lake
    mark: LakeObject

    def check(self) -> None:
        """See WriteLock."""
        found = self.lake.find(self.mark.name)
        if found is None or found.generation != self.mark.generation:
            raise ObjectChanged(self.mark.name)


@contextmanager
def take_lock(lake: Lake, name: str, takeover_seconds: float) -> Iterator[GcsWriteLock]:
    """Hold the lock that the object ``name`` is; taken over from a writer silent for ``takeover_seconds``."""
    mark = _wait(lake, name, takeover_seconds)
    try:
        yield GcsWriteLock(lake, mark)
    finally:
        with suppress(TargetError):  # a mark that stays is taken over by the next
            lake.delete(mark)


def _wait(lake: Lake, name: str, takeover_seconds: float) -> LakeObject:
    content = uuid.uuid4().hex.encode()
    started = time.monotonic()
    watched: int | None = ABSENT
    since = started
    while time.monotonic() < started + LOCK_SECONDS:
        silent = watched != ABSENT and time.monotonic() > since + takeover_seconds
        with suppress(ObjectChanged):
            if watched == ABSENT or silent:
                return lake.write(name, content, replaces=watched)
        present = lake.find(name)
        generation = present.generation if present else ABSENT
        if generation != watched:
            watched, since = generation, time.monotonic()
        if watched != ABSENT:
            time.sleep(min(_PAUSE_SECONDS, takeover_seconds / 4))
    raise TargetLocked(
        f"other loads have been replacing {lake.url_of(name)} for {LOCK_SECONDS:.0f} s. Run again when they have "
        "ended; the month is as it was."
    )
