"""The lake: objects below one URL, in a Cloud Storage bucket or a local folder, behind the same small interface.

How a month is replaced so that its manifest is true at every moment, also after a kill at any moment: ``lake.publish``.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from flows.load.lake.manifest import Manifest
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetMismatch
from flows.tlc.locations import manifest_object
from flows.tlc.month import Month

# What `replaces` says of an object that is not there.
ABSENT = 0
TEMPORARY = ".tmp/"


class ObjectChanged(Exception):
    """The object is not the one that the caller saw: another writer was here."""


@dataclass(frozen=True)
class LakeObject:
    """One object as it is in the lake; ``name`` is below the lake's URL.

    ``crc32c`` is base64 of the big-endian CRC32C; None in a folder's listing. ``generation`` is None in a folder.
    """

    name: str
    bytes: int
    crc32c: str | None
    generation: int | None = None


class WriteLock(Protocol):
    """The right to replace a month, until another writer takes it over."""

    def check(self) -> None:
        """Raise ObjectChanged if another writer took over."""
        ...


class Lake(Protocol):
    """Where objects are kept. Every method may raise TargetUnavailable (again later) or TargetError (never).

    ``replaces`` is the generation that a write may replace, ABSENT, or None for whatever is there; if something
    else is there it raises ObjectChanged, unless that is the very content to be written. A folder has no generations:
    there the lock alone keeps writers apart.
    """

    @property
    def url(self) -> str:
        """``gs://bucket[/prefix]`` or ``file:///path``, without a slash at the end."""
        ...

    def url_of(self, name: str) -> str:
        """The URL of an object, as BigQuery, DuckDB and people know it."""
        ...

    def find(self, name: str) -> LakeObject | None:
        """The object of that name."""
        ...

    def list(self, prefix: str) -> list[LakeObject]:
        """The objects whose names begin with ``prefix``, in name order."""
        ...

    def read(self, name: str, *, start: int = 0, length: int | None = None) -> bytes | None:
        """An object's bytes, or a range of them; None if there is no such object."""
        ...

    def read_current(self, name: str) -> tuple[bytes, int | None] | None:
        """An object's bytes and the generation that they are of."""
        ...

    def upload(self, path: Path, name: str, crc32c: str) -> LakeObject:
        """Put a local file under a name of the load's own, checked by CRC32C; what is there already is not sent."""
        ...

    def copy(self, source: LakeObject, name: str, *, replaces: int | None) -> LakeObject:
        """Put an object of the lake under another name as well, without its bytes passing through this machine.

        Raises ObjectChanged also if ``source`` is gone or another one.
        """
        ...

    def write(self, name: str, content: bytes, *, replaces: int | None) -> LakeObject:
        """Put a small object, whole or not at all."""
        ...

    def delete(self, found: LakeObject) -> None:
        """Remove the object, unless it is gone or has been replaced."""
        ...

    def lock_month(self, key: str) -> AbstractContextManager[WriteLock]:
        """Wait for the lock of what ``key`` names and hold it; raises TargetBusy if it is never free."""
        ...

    def staging(self, prefix: str) -> AbstractContextManager[None]:
        """Hold what is below ``prefix``, a load's own temporary objects, so that no other load clears it."""
        ...

    def is_staging(self, prefix: str) -> bool:
        """Whether another running load holds ``prefix``; always False if that cannot be told (Cloud Storage)."""
        ...

    def read_manifest(self, dataset: Dataset, month: Month) -> Manifest | None:
        """The month's manifest; None if the lake does not have the month. Raises TargetMismatch if it is broken."""
        name = manifest_object(dataset, month)
        content = self.read(name)
        return None if content is None else parse_manifest(content, self.url_of(name))


def parse_manifest(content: bytes, url: str) -> Manifest:
    """The manifest that an object holds. Raises TargetMismatch if it is none: others changed it, or cut it off."""
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, wrong["loc"]))
        raise TargetMismatch(
            f"{url} is no manifest that this version reads: {f'{where}: ' if where else ''}{wrong['msg']}. "
            "Remove it, and write the month again with api_to_gcs and force=True."
        ) from error
