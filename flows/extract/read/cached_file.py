"""A downloaded file, opened under its lock, so that no other version replaces it meanwhile."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from flows.extract.download.cache import CacheSlot, read_version
from flows.extract.read import TripFile, open_trip_file


def open_cached(opened: ExitStack, path: Path, identity: str | None = None) -> TripFile | None:
    """The trip file at ``path`` of the cache, to be closed by ``opened``; None if that has another version or none.

    What is open stays readable: a later download puts a new file in its place, and pruning only removes its name.
    Without ``identity`` any version will do. Raises NotTripFile as ``open_trip_file`` does.
    """
    slot = CacheSlot(path)
    if not path.parent.is_dir():
        return None
    with slot.lock():
        kept = read_version(path)
        if kept is None or identity not in (None, kept.identity) or not slot.has_whole(kept):
            return None
        return opened.enter_context(open_trip_file(path))
