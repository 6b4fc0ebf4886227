"""What can go wrong with a web server, as values: give them to ``TripSite.fail``.

Faults in one tuple act on the same request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fault:
    """One way in which the answer to one request goes wrong."""


@dataclass(frozen=True)
class Cut(Fault):
    """Close the connection after ``after`` bytes of the body; 0 closes it without any answer."""

    after: int


@dataclass(frozen=True)
class Stall(Fault):
    """Send nothing for ``seconds`` once ``after`` bytes of the body are out; 0 stalls before the status line."""

    after: int
    seconds: float


@dataclass(frozen=True)
class Throttle(Fault):
    """Send no faster than this."""

    bytes_per_second: int


@dataclass(frozen=True)
class Truncate(Fault):
    """Serve the first ``length`` bytes as if they were the file: same ETag, headers that agree with the body."""

    length: int


@dataclass(frozen=True)
class WrongLength(Fault):
    """Announce ``by`` bytes more (or, negative, fewer) than are sent, then close the connection."""

    by: int


@dataclass(frozen=True)
class NoLength(Fault):
    """Give no Content-Length: the end of the connection is the end of the body."""


@dataclass(frozen=True)
class Answer(Fault):
    """Answer this instead of the file; ``headers`` may hold Retry-After, Location, Content-Type."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Change(Fault):
    """Re-publish the file with this content just before the request is answered.

    ``heed_if_range=False``: the server ignores If-Range and answers 206 with a piece of the new content.
    """

    content: bytes
    heed_if_range: bool = True


@dataclass(frozen=True)
class IgnoreRange(Fault):
    """Answer 200 with the whole file whatever range is asked for."""


@dataclass(frozen=True)
class NoEtag(Fault):
    """Send no ETag, and no Last-Modified either unless ``keep_last_modified``."""

    keep_last_modified: bool = False


@dataclass(frozen=True)
class WeakEtag(Fault):
    """Send the ETag as a weak one: ``W/"…"``."""


@dataclass(frozen=True)
class GzipEncoded(Fault):
    """Label the body ``Content-Encoding: gzip`` although identity was asked for; ``compress`` makes the label true."""

    compress: bool = True
