"""Is a downloaded file what its name says? If not, what is it?"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from flows.extract.download.transfer import MAX_BYTES, too_long
from flows.tlc.errors import NotTripFile

HEAD_BYTES = 64 * 1024
CHUNK_BYTES = 256 * 1024
FIRST_WORDS = 60  # characters of it that an error quotes
GZIP_MAGIC, PARQUET_MAGIC = b"\x1f\x8b", b"PAR1"
GZIP_STREAM = 31  # zlib's wbits for a gzip member: header, deflate, CRC-32 and length all checked

IMPOSTORS = (
    ("an HTML page", re.compile(rb"\s*(<!doctype html|<html|<head|<!--)", re.IGNORECASE)),
    ("an XML document", re.compile(rb"\s*<(\?xml|error\b)", re.IGNORECASE)),
    ("JSON", re.compile(rb'\s*(\{\s*["}]|\[\s*[\[{"\]])')),
    ("a Git LFS pointer instead of the file itself", re.compile(rb"version https://git-lfs")),
    ("a file with merge conflict markers", re.compile(rb"(.*\n)*?(<{7} |>{7} )")),
    ("a gzip stream", re.compile(re.escape(GZIP_MAGIC))),
    ("a Parquet file", re.compile(PARQUET_MAGIC)),
    ("UTF-16 text", re.compile(rb"\xff\xfe|\xfe\xff")),
    ("a ZIP archive", re.compile(rb"PK\x03\x04")),
)
HALF = "Run again later; if it stays so, the file is broken at the source."
WRONG = "Open the URL in a browser to see why; check the source's base URL, and any proxy on the way."


def verify_file(path: Path, name: str, url: str, *, max_bytes: int = MAX_BYTES, is_quoted: bool = True) -> None:
    """Raise NotTripFile unless the file at ``path`` is whole and of the kind that the ending of ``name`` says.

    ``.gz``: the whole stream is decompressed and its checksum compared. ``.parquet``: both magic numbers and the
    footer. Anything else: text, and not one of the texts that servers send instead of a file. Raises SourceError if it
    is decompressed to more than ``max_bytes``. ``is_quoted``: the error has the file's first words.
    """
    problem = find_problem(path, name, url, max_bytes=max_bytes, is_quoted=is_quoted)
    if problem:
        raise NotTripFile(f"{url} {problem}", url=url)


def find_problem(path: Path, name: str, url: str, *, max_bytes: int = MAX_BYTES, is_quoted: bool = True) -> str | None:
    """What is wrong with the file and what to do next, in words that follow its URL; None for a good file.

    Raises SourceError as ``verify_file`` does.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        return f"sent an empty file. {HALF}"
    if name.endswith(".gz"):
        if head.startswith(GZIP_MAGIC):
            return _gzip_problem(path, url, max_bytes, is_quoted=is_quoted)
        return _not(head, "a gzip file", is_quoted=is_quoted)
    if name.endswith(".parquet"):
        if head.startswith(PARQUET_MAGIC):
            return _parquet_problem(path)
        return _not(head, "a Parquet file", is_quoted=is_quoted)
    return _not(head, "text", is_quoted=is_quoted) if b"\0" in head or _impostor(head) else None


def _gzip_problem(path: Path, url: str, max_bytes: int, *, is_quoted: bool) -> str | None:
    """Checks every member's trailer; bytes after the last one may only be zeros, as tape blocks pad."""
    member = zlib.decompressobj(GZIP_STREAM)
    head, length = b"", 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                while chunk:
                    text = member.decompress(chunk, HEAD_BYTES * 16)
                    head, length = head or text[:HEAD_BYTES], length + len(text)
                    if length > max_bytes:
                        raise too_long(url, max_bytes, " when decompressed")
                    chunk = member.unconsumed_tail or member.unused_data
                    if member.eof and not chunk.strip(b"\0"):
                        break
                    if member.eof:
                        member = zlib.decompressobj(GZIP_STREAM)
    except zlib.error as error:
        return f"sent a damaged gzip file ({error}). {HALF}"
    if not member.eof:
        return f"sent a gzip file that breaks off before its end. {HALF}"
    return _not(head, "compressed text", is_quoted=is_quoted) if _impostor(head) else None


def _parquet_problem(path: Path) -> str | None:
    with path.open("rb") as file:
        file.seek(-len(PARQUET_MAGIC), 2)
        if file.read() != PARQUET_MAGIC:
            return f"sent a Parquet file without its footer: it breaks off before its end. {HALF}"
    try:
        pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        return f"sent a Parquet file whose footer cannot be read ({_words(str(error).encode())}). {HALF}"
    return None


def _impostor(head: bytes) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf")
    return next((kind for kind, pattern in IMPOSTORS if pattern.match(text)), None)


def _not(head: bytes, expected: str, *, is_quoted: bool) -> str:
    kind = _impostor(head) or ("unknown bytes" if b"\0" in head else "text")
    beginning = f"; it begins: {_words(head)!r}" if is_quoted else ""
    return f"sent {kind}, expected {expected}{beginning}. {WRONG}"


def _words(head: bytes) -> str:
    """The first words that a person would read: a page's title, else the beginning; without queries of URLs."""
    title = re.search(rb"<title>(.*?)</title>", head, re.IGNORECASE | re.DOTALL)
    text = (title[1] if title else head).decode("utf-8", "replace")
    text = re.sub(r"(://[^\s?]*)\?\S*", r"\1?…", " ".join(text.split()))
    printable = "".join(character if character.isprintable() else "�" for character in text)
    return printable if len(printable) <= FIRST_WORDS else f"{printable[:FIRST_WORDS]}…"
