"""What a server did to a file for its transfer, undone: the codings that Content-Encoding names.

Every request asks for none, and some servers and proxies encode all the same. Others label a ``.gz`` file, which is
stored as it is, with ``Content-Encoding: gzip``: then there is nothing to undo.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from flows.extract.download.find import SourceFile
from flows.extract.download.part import Part
from flows.extract.download.transfer import too_long
from flows.extract.download.verify import find_problem
from flows.tlc.errors import NotTripFile
from flows.tlc.urls import plain_url

_CHUNK_BYTES = 256 * 1024
_PIECE_BYTES = 1 << 20
_GZIP, _ZLIB, _DEFLATE = 31, 15, -15  # zlib's wbits
_KNOWN = {"gzip", "x-gzip", "deflate"}
_NAMED = {*_KNOWN, "br", "zstd", "compress"}  # of the others, which may be anything, an error shows nothing


class _CannotUndo(Exception):
    """The body is not encoded as the header says, or in a way that nobody here knows."""


def undo_encoding(part: Part, name: str, version: SourceFile, max_bytes: int) -> None:
    """Have ``part``, whole, hold the file of that name without the codings of its transfer.

    Raises NotTripFile that names the header if that cannot be done, SourceError if more than ``max_bytes`` come of it.
    """
    codings = [coding for each in (version.encoding or "").lower().split(",") if (coding := each.strip())]
    codings = [coding for coding in codings if coding != "identity"]
    if not codings:
        return
    where = plain_url(version.url)
    # A label only, if the file is what its name says already. Of text that is never certain, nor of two codings.
    is_file = find_problem(part.path, name, where, max_bytes=max_bytes) is None
    if is_file and len(codings) == 1 and name.endswith((".gz", ".parquet")):
        return
    try:
        if any(coding not in _KNOWN for coding in codings):
            raise _CannotUndo("not known here")
        for coding in reversed(codings):
            part.decode(partial(_decoded, coding=coding, where=where, max_bytes=max_bytes))
    except _CannotUndo as error:
        if is_file:
            return
        raise NotTripFile(
            f"{where} came with Content-Encoding: {_shown(codings)}, expected none, gzip or deflate, and that cannot "
            f"be undone ({error}). Have the server, or the proxy on the way, send the file as it is.",
            url=where,
        ) from error


def _shown(codings: list[str]) -> str:
    return ", ".join(coding if coding in _NAMED else "a name that nobody knows" for coding in codings)


def _decoded(body: BinaryIO, coding: str, where: str, max_bytes: int) -> Iterator[bytes]:
    length = 0
    try:
        for piece in _inflated(body, _window(body, coding)):
            length += len(piece)
            if length > max_bytes:
                raise too_long(where, max_bytes)
            yield piece
    except zlib.error as error:
        raise _CannotUndo(str(error)) from error


def _window(body: BinaryIO, coding: str) -> int:
    """How zlib is to read the body: "deflate" is the zlib format, and to some servers its bare content."""
    if coding != "deflate":
        return _GZIP
    start = body.read(2)
    body.seek(0)
    return _ZLIB if len(start) == 2 and start[0] & 15 == 8 and int.from_bytes(start) % 31 == 0 else _DEFLATE  # noqa: PLR2004 - RFC 1950


def _inflated(body: BinaryIO, window: int) -> Iterator[bytes]:
    member = zlib.decompressobj(window)
    while chunk := body.read(_CHUNK_BYTES):
        while chunk:
            if member.eof:
                member = zlib.decompressobj(window)
            yield member.decompress(chunk, _PIECE_BYTES)
            chunk = member.unconsumed_tail or member.unused_data
    yield member.flush()
    if not member.eof:
        raise zlib.error("it breaks off before its end")
