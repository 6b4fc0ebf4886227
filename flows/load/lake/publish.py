"""Put a new version of a month in the place of the old one, so that its manifest is true at every moment.

The names of objects are fixed, so an object is replaced in place, and Cloud Storage can replace but one at a time.
What keeps the manifest true all the same:

1. Every new object goes up under a temporary name of this load, checked by CRC32C. Hours, perhaps; nothing that
   anybody reads has changed. A kill leaves temporary objects.
2. Under a lock (``Lake.lock_month``; one writer a month, a second or two from here to the end): the old version's
   objects are copied, within the lake, to temporary names too, and the manifest is rewritten to name those copies.
3. The new objects are copied to their own names. The manifest still describes the old version, truly.
4. The new manifest is written. From here on it describes the new version.
5. Objects that the new version does not have are removed, then every temporary object of the month.

Who reads what the manifest names has one version or the other, whole; a reader that is slower than a whole
replacement can find an object gone (or, by generation, replaced) and reads the manifest again. Who reads names by
pattern (``trips/green/partitioned/*/*.parquet``) can see both versions mixed between 2 and 5.

A kill leaves temporary objects, whose names say which objects it may have touched: the next load of the month, also
one that finds its version already there, completes step 5. Every write has its precondition: two loads at once, or one
that was taken for dead, cannot both succeed; the one that loses starts over, and finds ``unchanged`` or waits for the
lock again.
"""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from flows.load.lake.clear import clear_or_warn, names_temporary
from flows.load.lake.manifest import Manifest, ManifestObject
from flows.load.lake.protocol import ABSENT, TEMPORARY, Lake, LakeObject, ObjectChanged, WriteLock, parse_manifest
from flows.load.parquet.file import ParquetFile
from flows.tlc.errors import TargetBusy

# Uploads fill the line with few; copies are one small request each.
UPLOADS, COPIES = 4, 8
_TRIES = 6

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Replacement:
    """One version of what ``key`` says (``trips/green/2020-12``), and the name of the manifest that describes it.

    ``stays`` tells whether what a manifest describes is not to be replaced; ``describe`` makes the new manifest from
    the objects as they are in the lake, in the order of ``files``.
    """

    lake: Lake
    key: str
    manifest_name: str
    files: Sequence[ParquetFile]
    stays: Callable[[Manifest], bool]
    describe: Callable[[list[ManifestObject]], Manifest]
    load_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def staging(self) -> str:
        """What the names of all of this load's temporary objects begin with."""
        return f"{TEMPORARY}{self.key}/{self.load_id}/"

    def temporary(self, kind: str, name: str) -> str:
        """The temporary name for a version's object: ``kind`` is ``new`` or ``old``."""
        return f"{self.staging}{kind}/{name}"


def publish(replacement: Replacement) -> tuple[Manifest, bool]:
    """Put the version in place, whole or not at all; the manifest that is there then, and whether it is the new one.

    Raises TargetBusy if other writers keep coming in between, TargetUnavailable and TargetError.
    """
    with replacement.lake.staging(replacement.staging):
        for attempt in range(_TRIES):
            try:
                staged = _stage(replacement)
                with replacement.lake.lock_month(replacement.key) as lock:
                    return _replace(replacement, staged, lock)
            except ObjectChanged as error:
                logger.info("another load of %s was here first (%s): trying again", replacement.key, error)
                time.sleep(random.uniform(0, 0.2) * 2**attempt)  # noqa: S311 - no secret
    raise TargetBusy(f"other loads of {replacement.key} kept coming in between. Run again when they have ended.")


def current_manifest(lake: Lake, manifest_name: str) -> tuple[Manifest | None, int | None]:
    """The manifest as it is now, and its generation (ABSENT if there is none)."""
    found = lake.read_current(manifest_name)
    if found is None:
        return None, ABSENT
    return parse_manifest(found[0], lake.url_of(manifest_name)), found[1]


def _stage(replacement: Replacement) -> list[LakeObject]:
    """Every file under its temporary name: sent, unless it is there from the last try."""
    lake = replacement.lake
    there = {item.name for item in lake.list(replacement.temporary("new", ""))}

    def send(file: ParquetFile) -> LakeObject:
        name = replacement.temporary("new", file.name)
        if name in there and (found := lake.find(name)) is not None and found.crc32c == file.crc32c:
            return found
        return lake.upload(file.path, name, file.crc32c)

    try:
        with ThreadPoolExecutor(UPLOADS, "upload") as pool:
            return list(pool.map(send, replacement.files))
    except BaseException:
        with suppress(Exception):  # the error counts, not what is left: the next load clears that
            for item in lake.list(replacement.temporary("new", "")):
                lake.delete(item)
        raise


def _replace(replacement: Replacement, staged: list[LakeObject], lock: WriteLock) -> tuple[Manifest, bool]:
    """Steps 2 to 5, under the lock."""
    lake, name = replacement.lake, replacement.manifest_name
    manifest, generation = current_manifest(lake, name)
    if manifest is not None and replacement.stays(manifest):
        if not names_temporary(manifest):  # else the objects under their own names would go, which some read by name
            clear_or_warn(lake, replacement.key, manifest, own=replacement.load_id)
        return manifest, False
    if manifest is not None and (kept := _keep_old(replacement, manifest)) is not None:
        generation = lake.write(name, _as_json(kept), replaces=generation).generation
    placed = _place_new(replacement, staged, manifest, lock)
    lock.check()
    new = replacement.describe(placed)
    lake.write(name, _as_json(new), replaces=generation)
    clear_or_warn(lake, replacement.key, new, before=manifest, own=replacement.load_id)
    return new, True


def _keep_old(replacement: Replacement, manifest: Manifest) -> Manifest | None:
    """The old manifest, naming copies under temporary names; None if its objects are not what it says."""
    lake = replacement.lake

    def keep(item: ManifestObject) -> ManifestObject:
        if item.name.startswith(TEMPORARY):  # by a load that was killed
            return item
        copy = lake.copy(_as_object(item), replacement.temporary("old", item.name), replaces=None)
        return item.model_copy(update={"name": copy.name, "uri": lake.url_of(copy.name), "generation": copy.generation})

    try:
        with ThreadPoolExecutor(COPIES, "keep") as pool:
            objects = list(pool.map(keep, manifest.objects))
        rejected = keep(manifest.rejected) if manifest.rejected else None
    except ObjectChanged:
        logger.warning("%s names objects that are gone or changed; it is replaced", replacement.manifest_name)
        return None
    return manifest.model_copy(update={"objects": objects, "rejected": rejected})


def _place_new(
    replacement: Replacement, staged: list[LakeObject], manifest: Manifest | None, lock: WriteLock
) -> list[ManifestObject]:
    """The staged objects under their own names."""
    lake = replacement.lake
    known = {item.name: item.generation for item in _objects(manifest)}

    def place(file: ParquetFile, source: LakeObject) -> ManifestObject:
        try:
            placed = lake.copy(source, file.name, replaces=known.get(file.name, ABSENT))
        except ObjectChanged:
            # Left by a load that was killed; or just written by one that takes us for killed: then the lock is lost.
            lock.check()
            present = lake.find(file.name)
            placed = lake.copy(source, file.name, replaces=present.generation if present else ABSENT)
        return ManifestObject(
            layout=file.layout or "unpartitioned",
            name=file.name,
            uri=lake.url_of(file.name),
            rows=file.rows,
            bytes=file.bytes,
            crc32c=file.crc32c,
            generation=placed.generation,
        )

    with ThreadPoolExecutor(COPIES, "place") as pool:
        return list(pool.map(place, replacement.files, staged))


def _objects(manifest: Manifest | None) -> list[ManifestObject]:
    if manifest is None:
        return []
    return [*manifest.objects, *([manifest.rejected] if manifest.rejected else [])]


def _as_object(item: ManifestObject) -> LakeObject:
    return LakeObject(item.name, item.bytes, item.crc32c, item.generation)


def _as_json(manifest: Manifest) -> bytes:
    return manifest.model_dump_json(indent=1).encode()
