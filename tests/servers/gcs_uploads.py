"""How Cloud Storage takes uploads: in one request, or in chunks of a resumable session."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from tests.servers.gcs_objects import StoredObject
from tests.servers.recording import ApiError, RecordedRequest, Response

CHUNK_UNIT = 256 * 1024
CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
RESUME = 308


@dataclass
class Session:
    """A resumable upload: where it goes, on which conditions, and what has come so far."""

    bucket: str
    resource: dict[str, Any]
    query: dict[str, str]
    received: bytearray = field(default_factory=bytearray)
    finished: StoredObject | None = None

    def take_chunk(self, request: RecordedRequest) -> bool:
        """Keep what a chunk brings; true when the upload is whole."""
        span = CONTENT_RANGE.fullmatch(request.headers.get("content-range", ""))
        if span is None:
            raise ApiError(400, "invalid", "Failed to parse Content-Range header.")
        first, last, total = span.groups()
        if first is not None:
            _check_length(int(last) - int(first) + 1, total, request)
            is_last = total != "*" and int(last) + 1 == int(total)
            self._take(int(first), request.body if is_last else _whole_units(request.body))
        return total != "*" and len(self.received) >= int(total)

    def take_part(self, request: RecordedRequest) -> None:
        """Keep the whole units of a chunk that broke off."""
        span = CONTENT_RANGE.fullmatch(request.headers.get("content-range", ""))
        if span and span[1]:
            self._take(int(span[1]), _whole_units(request.body))

    def progress(self) -> Response:
        """308 with the range received so far."""
        headers = {"Range": f"bytes=0-{len(self.received) - 1}"} if self.received else {}
        return Response(RESUME, headers=headers)

    def _take(self, start: int, data: bytes) -> None:
        """Append the bytes, without those that came before."""
        if start > len(self.received):
            raise ApiError(
                503,
                "backendError",
                f"Invalid request.  According to the Content-Range header, the upload offset is {start} byte(s), which "
                f"exceeds already uploaded size of {len(self.received)} byte(s).",
            )
        self.received += data[len(self.received) - start :]


def _whole_units(data: bytes) -> bytes:
    return data[: len(data) // CHUNK_UNIT * CHUNK_UNIT]


def _check_length(length: int, total: str, request: RecordedRequest) -> None:
    if length != len(request.body):
        raise ApiError(400, "invalid", f"Content-Range says {length} bytes, the body has {len(request.body)}.")
    if total == "*" and length < CHUNK_UNIT:
        raise ApiError(
            400,
            "invalid",
            f"Invalid request.  The number of bytes uploaded is required to be equal or greater than {CHUNK_UNIT}, "
            f"except for the final request (it's recommended to be the exact multiple of {CHUNK_UNIT}).  The received "
            f"request contained {length} bytes, which does not meet this requirement.",
        )


def single_upload(request: RecordedRequest) -> tuple[dict[str, Any], bytes]:
    """The resource and the bytes of an upload in one request, multipart or media."""
    content_type = request.headers.get("content-type", "")
    if request.query.get("uploadType") == "media":
        return {"contentType": content_type, "name": request.query.get("name", "")}, request.body
    boundary = re.search(r'boundary="?([^";]+)"?', content_type)
    if request.query.get("uploadType") != "multipart" or boundary is None:
        raise ApiError(400, "badRequest", "Invalid multipart request or unknown uploadType.")
    mark = b"--" + boundary[1].encode()
    try:
        _, described, content = request.body[: request.body.rindex(b"\r\n" + mark + b"--")].split(mark + b"\r\n", 2)
        resource = json.loads(described.partition(b"\r\n\r\n")[2])
    except ValueError as broken:
        raise ApiError(400, "badRequest", "Invalid multipart request with 0 mime parts.") from broken
    headers, _, data = content.partition(b"\r\n\r\n")
    kind = re.search(rb"content-type:\s*([^\r\n]+)", headers, re.IGNORECASE)
    request.json = resource
    return ({"contentType": kind[1].decode()} if kind else {}) | resource, data


def declared_hashes(request: RecordedRequest) -> dict[str, str]:
    """The checksums of X-Goog-Hash, by the names that they have in a resource."""
    names = {"crc32c": "crc32c", "md5": "md5Hash"}
    pairs = [part.strip().partition("=") for part in request.headers.get("x-goog-hash", "").split(",")]
    return {names[kind]: value for kind, _, value in pairs if kind in names}
