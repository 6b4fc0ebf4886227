"""A Cloud Storage bucket as the lake, through Google's own client.

Every write carries a generation precondition, which also lets the client repeat it after a lost answer. If a
repeated request meets its own object (412), the object's CRC32C says so. Uploads go in chunks of a resumable session,
so that a broken connection costs one chunk, and a timeout is that of a chunk, not of the whole object.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.api_core import exceptions as api
from google.api_core.retry import Retry
from google.cloud.storage.retry import DEFAULT_RETRY

from flows.load.crc32c import crc32c_of
from flows.load.lake.gcs_errors import gcs_errors
from flows.load.lake.gcs_lock import take_lock
from flows.load.lake.protocol import ABSENT, TEMPORARY, Lake, LakeObject, ObjectChanged, WriteLock
from flows.tlc.errors import TargetError, TargetUnavailable

CHUNK_BYTES = 8 << 20
# Seconds to connect, and between two signs of life: a chunk at 70 kB/s still comes through.
TIMEOUT = (10.0, 120.0)
# Seconds for which one request is repeated: longer than the outages that Google's own status page calls short.
RETRY = DEFAULT_RETRY.with_timeout(600.0)
# Seconds that another writer's lock may stay unchanged before it counts as killed. Most are held a second or two.
TAKEOVER_SECONDS = 30.0
PARQUET_TYPE, TEXT_TYPE = "application/vnd.apache.parquet", "application/json"


@dataclass(frozen=True)
class GcsLake(Lake):
    """The lake below ``prefix`` ("" or without slashes at its ends) of a ``google.cloud.storage.Bucket``."""

    bucket: Any
    prefix: str = ""
    retry: Retry = RETRY
    timeout: tuple[float, float] = TIMEOUT
    takeover_seconds: float = TAKEOVER_SECONDS
    chunk_bytes: int = CHUNK_BYTES

    @property
    def url(self) -> str:
        return f"gs://{self.bucket.name}/{self.prefix}".rstrip("/")

    def url_of(self, name: str) -> str:
        """``gs://bucket/prefix/name``."""
        return f"{self.url}/{name}"

    def find(self, name: str) -> LakeObject | None:
        """See Lake."""
        with gcs_errors(self.url_of(name)):
            blob = self.bucket.get_blob(self._key(name), **self._retries)
        return None if blob is None else self._seen(blob)

    def list(self, prefix: str) -> list[LakeObject]:
        """See Lake."""
        with gcs_errors(self.url_of(prefix)):
            blobs = self.bucket.list_blobs(
                prefix=self._key(prefix),
                fields="items(name,size,crc32c,generation),nextPageToken",
                **self._retries,
            )
            return [self._seen(blob) for blob in blobs]

    def read(self, name: str, *, start: int = 0, length: int | None = None) -> bytes | None:
        """See Lake."""
        if length == 0:
            return b""
        end = None if length is None else start + length - 1
        found = self._download(name, start=start or None, end=end)
        return None if found is None else found[0]

    def read_current(self, name: str) -> tuple[bytes, int | None] | None:
        """See Lake."""
        return self._download(name)

    def upload(self, path: Path, name: str, crc32c: str) -> LakeObject:
        """See Lake. The server compares the bytes with ``crc32c``, and so do we with what it says it has."""
        blob = self.bucket.blob(self._key(name), chunk_size=self.chunk_bytes)

        def send() -> None:
            blob.upload_from_filename(
                str(path),
                content_type=PARQUET_TYPE,
                if_generation_match=ABSENT,
                checksum="crc32c",
                crc32c_checksum_value=crc32c,
                **self._retries,
            )

        return self._put(name, blob, send, crc32c)

    def copy(self, source: LakeObject, name: str, *, replaces: int | None) -> LakeObject:
        """See Lake."""
        blob = self.bucket.blob(self._key(name))
        original = self.bucket.blob(self._key(source.name), generation=source.generation)

        def send() -> None:
            token = None
            while True:  # one round within a bucket; several if Google has to move bytes between locations
                try:
                    token, *_ = blob.rewrite(
                        original,
                        token=token,
                        if_generation_match=replaces,
                        if_source_generation_match=source.generation,
                        **self._retries,
                    )
                except api.NotFound as error:
                    raise ObjectChanged(self.url_of(source.name)) from error
                if token is None:
                    return

        return self._put(name, blob, send, source.crc32c)

    def write(self, name: str, content: bytes, *, replaces: int | None) -> LakeObject:
        """See Lake."""
        blob = self.bucket.blob(self._key(name))

        kind = PARQUET_TYPE if name.endswith(".parquet") else TEXT_TYPE

        def send() -> None:
            blob.upload_from_string(
                content, content_type=kind, if_generation_match=replaces, checksum="crc32c", **self._retries
            )

        return self._put(name, blob, send, crc32c_of(content))

    def delete(self, found: LakeObject) -> None:
        """See Lake."""
        blob = self.bucket.blob(self._key(found.name))
        try:
            with gcs_errors(self.url_of(found.name)):
                blob.delete(if_generation_match=found.generation, **self._retries)
        except ObjectChanged:
            return
        except TargetError as error:
            if not isinstance(error.__cause__, api.NotFound):
                raise

    @contextmanager
    def lock_month(self, key: str) -> Iterator[WriteLock]:
        """See Lake. It is an object that only one writer can make; one that stays as it is was left by a kill."""
        with take_lock(self, f"{TEMPORARY}{key}/turn", self.takeover_seconds) as lock:
            yield lock

    def staging(self, prefix: str) -> AbstractContextManager[None]:  # noqa: ARG002
        """See Lake: who finds its temporary objects gone sends them again."""
        return nullcontext()

    def is_staging(self, prefix: str) -> bool:  # noqa: ARG002
        """See Lake."""
        return False

    @property
    def _retries(self) -> dict[str, Any]:
        return {"timeout": self.timeout, "retry": self.retry}

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def _seen(self, blob: Any) -> LakeObject:
        name = blob.name[len(self.prefix) + 1 :] if self.prefix else blob.name
        return LakeObject(name, int(blob.size), blob.crc32c, int(blob.generation))

    def _put(self, name: str, blob: Any, send: Any, crc32c: str | None) -> LakeObject:
        """Have ``send`` write the object; what is there afterwards has to be the content meant."""
        try:
            with gcs_errors(self.url_of(name)):
                send()
            written = self._seen(blob)
        except ObjectChanged:
            present = self.find(name)
            if present is None or present.crc32c != crc32c:
                raise
            return present
        if written.crc32c != crc32c:
            raise TargetUnavailable(
                f"{self.url_of(name)} arrived damaged: its CRC32C is {written.crc32c}, {crc32c} was sent; the month is "
                "as it was. Run again."
            )
        return written

    def _download(self, name: str, **span: int | None) -> tuple[bytes, int | None] | None:
        blob = self.bucket.blob(self._key(name))
        try:
            with gcs_errors(self.url_of(name)):
                content = blob.download_as_bytes(
                    checksum=None if any(span.values()) else "auto", **span, **self._retries
                )
        except TargetError as error:
            if isinstance(error.__cause__, api.NotFound) and not self._bucket_is_missing(error.__cause__):
                return None
            raise
        return content, None if blob.generation is None else int(blob.generation)

    @staticmethod
    def _bucket_is_missing(error: BaseException) -> bool:
        return "bucket does not exist" in str(error)
