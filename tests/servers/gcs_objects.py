"""Cloud Storage's buckets and objects as the wire stand-in keeps them: generations, checksums and preconditions."""

from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import Any

import google_crc32c

from tests.servers.recording import ApiError

MAX_PAGE = 1000
MAX_COMPONENTS = 32
NOT_MET = "At least one of the pre-conditions you specified did not hold."
WRITABLE = ("contentType", "contentEncoding", "contentDisposition", "contentLanguage", "cacheControl", "customTime")


def crc32c_of(data: bytes) -> str:
    """The CRC32C as Google writes it: big-endian, base64."""
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()


def md5_of(data: bytes) -> str:
    """The MD5 as Google writes it: base64."""
    return base64.b64encode(hashlib.md5(data).digest()).decode()


@dataclass
class StoredObject:
    """One live object: its bytes and what the API says of it."""

    bucket: str
    name: str
    data: bytes = field(repr=False)
    generation: int
    metageneration: int = 1
    metadata: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    components: int = 0
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat().replace("+00:00", "Z"))

    @cached_property
    def checksums(self) -> dict[str, str]:
        """CRC32C, and the MD5 that a composed object does not have."""
        return {"crc32c": crc32c_of(self.data)} | ({} if self.components else {"md5Hash": md5_of(self.data)})

    @property
    def content_type(self) -> str:
        return self.properties.get("contentType", "application/octet-stream")

    def resource(self, url: str) -> dict[str, Any]:
        """The object as the JSON API shows it."""
        shown = {
            "kind": "storage#object",
            "id": f"{self.bucket}/{self.name}/{self.generation}",
            "selfLink": f"{url}/storage/v1/b/{self.bucket}/o/{self.name.replace('/', '%2F')}",
            "name": self.name,
            "bucket": self.bucket,
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "storageClass": "STANDARD",
            "size": str(len(self.data)),
            "etag": base64.b64encode(f"{self.generation}/{self.metageneration}".encode()).decode(),
            "timeCreated": self.created,
            "updated": self.created,
            "contentType": self.content_type,
            **self.checksums,
            **self.properties,
        }
        extra = {"metadata": self.metadata, "componentCount": self.components}
        return shown | {key: value for key, value in extra.items() if value}


class Store:
    """All buckets: `objects` is bucket → name → object."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, StoredObject]] = {}
        self._last_generation = 0

    def bucket(self, name: str) -> dict[str, StoredObject]:
        """A bucket's objects; 404 where there is no such bucket."""
        if name not in self.objects:
            raise ApiError(404, "notFound", "The specified bucket does not exist.")
        return self.objects[name]

    def get(self, bucket: str, name: str, query: dict[str, str], prefix: str = "if") -> StoredObject:
        """A live object; 404 where it or the generation asked for is not, 412 (or 304) where a precondition fails."""
        found = self.bucket(bucket).get(name)
        wanted = query.get("sourceGeneration" if prefix == "ifSource" else "generation")
        if found is None or (wanted and int(wanted) != found.generation):
            raise ApiError(404, "notFound", f"No such object: {bucket}/{name}")
        check_preconditions(found, query, prefix)
        return found

    def put(
        self,
        bucket: str,
        name: str,
        data: bytes,
        resource: dict[str, Any],
        query: dict[str, str],
        *,
        components: int = 0,
    ) -> StoredObject:
        """A new generation of an object, where its preconditions hold and its checksums are those declared."""
        check_preconditions(self.bucket(bucket).get(name), query)
        check_declared(data, resource)
        self._last_generation = max(self._last_generation + 1, time.time_ns() // 1000)
        properties = {key: resource[key] for key in WRITABLE if resource.get(key)}
        stored = StoredObject(bucket, name, data, self._last_generation, components=components, properties=properties)
        stored.metadata = dict(resource.get("metadata") or {})
        self.objects[bucket][name] = stored
        return stored

    def delete(self, bucket: str, name: str, query: dict[str, str]) -> None:
        """Remove an object, where its preconditions hold."""
        self.get(bucket, name, query)
        del self.objects[bucket][name]

    def compose(self, bucket: str, name: str, request: dict[str, Any], query: dict[str, str]) -> StoredObject:
        """One object of several, in order."""
        sources = request.get("sourceObjects", [])
        if not 1 <= len(sources) <= MAX_COMPONENTS:
            raise ApiError(
                400, "invalid", f"The number of source components provided ({len(sources)}) exceeds 32 or is 0."
            )
        parts = []
        for source in sources:
            conditions = {"generation": source.get("generation"), **(source.get("objectPreconditions") or {})}
            given = {key: str(value) for key, value in conditions.items() if value is not None}
            parts.append(self.get(bucket, source["name"], given))
        data = b"".join(part.data for part in parts)
        count = sum(part.components or 1 for part in parts)
        return self.put(bucket, name, data, request.get("destination", {}), query, components=count)

    def patch(self, bucket: str, name: str, change: dict[str, Any], query: dict[str, str]) -> StoredObject:
        """Change an object's metadata: null removes; the metageneration grows."""
        stored = self.get(bucket, name, query)
        metadata = stored.metadata | (change.get("metadata") or {})
        stored.metadata = {key: value for key, value in metadata.items() if value is not None}
        properties = stored.properties | {key: change[key] for key in WRITABLE if key in change}
        stored.properties = {key: value for key, value in properties.items() if value is not None}
        stored.metageneration += 1
        return stored

    def page(self, bucket: str, query: dict[str, str]) -> tuple[list[StoredObject], list[str], str | None]:
        """One page of a listing in name order: objects, prefixes up to the delimiter, the token of the next page."""
        unknown = {"matchGlob", "softDeleted", "versions", "filter"} & {key for key, value in query.items() if value}
        if unknown - {"versions"} or query.get("versions") == "true":
            raise ApiError(501, "notImplemented", f"The stand-in does not list by {sorted(unknown)}.")
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = base64.b64decode(query.get("pageToken", "")).decode()
        size = min(int(query.get("maxResults") or MAX_PAGE), MAX_PAGE)
        entries: dict[str, StoredObject | None] = {}
        for name, stored in sorted(self.bucket(bucket).items()):
            is_inside = name >= query.get("startOffset", "") and name < (query.get("endOffset") or "\U0010ffff")
            if not name.startswith(prefix) or not is_inside:
                continue
            head, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            entry = prefix + head + found if found else name
            if entry > after:
                entries.setdefault(entry, None if found else stored)
        shown = dict(islice(entries.items(), size))
        token = base64.b64encode(list(shown)[-1].encode()).decode() if len(entries) > size else None
        objects = [stored for stored in shown.values() if stored is not None]
        return objects, [entry for entry, stored in shown.items() if stored is None], token


def check_preconditions(found: StoredObject | None, query: dict[str, str], prefix: str = "if") -> None:
    """Raise the 412 (304 for a NotMatch, as for downloads) of a precondition that does not hold."""
    current = {"Generation": found.generation if found else 0, "Metageneration": found.metageneration if found else 0}
    for name, value in current.items():
        wanted, unwanted = query.get(f"{prefix}{name}Match"), query.get(f"{prefix}{name}NotMatch")
        if wanted is not None and int(wanted) != value:
            raise ApiError(412, "conditionNotMet", NOT_MET)
        if unwanted is not None and int(unwanted) == value:
            raise ApiError(304, "notModified", NOT_MET)


def check_declared(data: bytes, declared: dict[str, Any]) -> None:
    """Raise the 400 of data whose checksum is not the one that the client declared."""
    for key, kind, computed in (("crc32c", "CRC32C", crc32c_of), ("md5Hash", "MD5 hash", md5_of)):
        wanted = declared.get(key)
        if wanted and wanted != computed(data):
            raise ApiError(
                400, "invalid", f'Provided {kind} "{wanted}" doesn\'t match calculated {kind} "{computed(data)}".'
            )
