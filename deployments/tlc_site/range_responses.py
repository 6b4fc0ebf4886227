"""Responses to conditional and range requests as in RFC 9110: status, headers and slice of a file."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from email.message import Message
from email.utils import formatdate
from pathlib import Path

from deployments.tlc_site.faults import Change, Fault, GzipEncoded, IgnoreRange, NoEtag, Truncate, WeakEtag

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class Content:
    """What is served under a path: a file on disk, never read whole, or bytes."""

    source: Path | bytes
    length: int
    etag: str | None
    last_modified: str | None

    @classmethod
    def of_bytes(cls, content: bytes, changed: float) -> Content:
        """Bytes that were put there at ``changed`` (seconds since 1970); the ETag is their checksum."""
        digest = hashlib.sha256(content).hexdigest()[:32]
        return cls(content, len(content), f'"{digest}"', formatdate(changed, usegmt=True))

    @classmethod
    def of_file(cls, path: Path) -> Content:
        """A file on disk; the ETag is made from size and modification time, as nginx does."""
        status = path.stat()
        etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        return cls(path, status.st_size, etag, formatdate(status.st_mtime, usegmt=True))

    def with_faults(self, faults: Collection[Fault]) -> Content:
        """The same, as a server with these faults shows it."""
        content = self
        for fault in faults:
            if isinstance(fault, Truncate):
                content = replace(content, length=min(content.length, fault.length))
            elif isinstance(fault, NoEtag):
                kept = content.last_modified if fault.keep_last_modified else None
                content = replace(content, etag=None, last_modified=kept)
            elif isinstance(fault, WeakEtag) and content.etag:
                content = replace(content, etag=f"W/{content.etag}")
            elif isinstance(fault, GzipEncoded) and fault.compress:
                zipped = gzip.compress(b"".join(content.pieces(0, content.length)), mtime=0)
                content = replace(content, source=zipped, length=len(zipped))
        return content

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from ``start`` to before ``stop``, in chunks."""
        if isinstance(self.source, bytes):
            for position in range(start, stop, CHUNK_BYTES):
                yield self.source[position : min(position + CHUNK_BYTES, stop)]
            return
        with self.source.open("rb") as file:
            file.seek(start)
            while start < stop and (piece := file.read(min(CHUNK_BYTES, stop - start))):
                start += len(piece)
                yield piece


@dataclass(frozen=True)
class Reply:
    """A status, its headers (without Content-Length), and the slice of ``content`` that is the body."""

    status: int
    headers: Mapping[str, str]
    content: Content
    start: int = 0
    stop: int = 0

    @classmethod
    def with_body(cls, status: int, body: bytes, headers: Mapping[str, str]) -> Reply:
        """A small answer that is no file: an error, a redirect."""
        return cls(status, headers, Content(body, len(body), None, None), 0, len(body))


def reply_to(method: str, request: Message, content: Content, faults: Collection[Fault] = ()) -> Reply:
    """The answer to a GET or HEAD of ``content`` with these request headers."""
    content = content.with_faults(faults)
    headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
    headers |= {"ETag": content.etag} if content.etag else {}
    headers |= {"Last-Modified": content.last_modified} if content.last_modified else {}
    if any(isinstance(fault, GzipEncoded) for fault in faults):
        headers["Content-Encoding"] = "gzip"
    if _none_match(request.get("If-None-Match"), content.etag):
        return Reply(304, headers, content)
    heed_if_range = not any(isinstance(fault, Change) and not fault.heed_if_range for fault in faults)
    asked = request.get("Range") if method == "GET" else None
    if any(isinstance(fault, IgnoreRange) for fault in faults):
        asked = None
    if asked is None or (heed_if_range and not _if_range_holds(request.get("If-Range"), content)):
        return Reply(200, headers, content, 0, content.length)
    return _range_reply(asked, headers, content)


def _range_reply(asked: str, headers: dict[str, str], content: Content) -> Reply:
    slices = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.replace(" ", ""))
    if not slices or slices.group() == "bytes=-":
        return Reply(200, headers, content, 0, content.length)  # several ranges, or nonsense: the whole is allowed
    first, last = slices.groups()
    if first:
        start, stop = int(first), min(int(last) + 1, content.length) if last else content.length
    else:
        start, stop = max(content.length - int(last), 0), content.length
    if start >= stop:
        return Reply.with_body(416, b"", {**headers, "Content-Range": f"bytes */{content.length}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.length}"
    return Reply(206, headers, content, start, stop)


def _if_range_holds(if_range: str | None, content: Content) -> bool:
    """Whether the client's part is of this content; weak ETags never count (RFC 9110, 13.1.5)."""
    if if_range is None:
        return True
    if if_range.startswith(('"', "W/")):
        return if_range == content.etag and not if_range.startswith("W/")
    return if_range == content.last_modified


def _none_match(if_none_match: str | None, etag: str | None) -> bool:
    """Whether the client has this content already; weak comparison (RFC 9110, 13.1.2)."""
    if if_none_match is None or etag is None:
        return False
    known = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return "*" in known or etag.removeprefix("W/") in known
