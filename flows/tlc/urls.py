"""Paths of this machine as URLs, and back, and URLs as people may see them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit, urlunsplit

# What would end the path, or begin an escape, and what a terminal or a link does not bear: blanks, control characters,
# bytes that are no text. All else stays as it is, "=" above all: DuckDB and pyarrow decode no %3D.
_ESCAPED = re.compile(r"[%#?\s\x00-\x1f\x7f\ud800-\udfff]")


def path_to_url(path: Path, scheme: str = "file") -> str:
    """``file:///path`` of a whole path, or with another scheme the same."""
    return f"{scheme}://{_ESCAPED.sub(lambda found: quote(os.fsencode(found[0])), str(path))}"


def url_to_path(url: str, scheme: str = "file") -> Path | None:
    """The path that ``file:///path`` means; None if the URL has another scheme or names no whole path.

    Whatever follows the scheme is the path, also ``#`` and ``?``; ``%20`` is a blank, whoever wrote it so, and a ``%``
    that begins no such escape is itself.
    """
    found = re.fullmatch(rf"{scheme}:(?:///+|/(?!/))(.*)", url, re.IGNORECASE | re.DOTALL)
    path = os.fsdecode(unquote_to_bytes(os.fsencode(found[1]))) if found else ""
    return Path(f"/{path}") if path and "\0" not in path else None


def plain_url(url: str) -> str:
    """The URL without user, password, query and fragment: those may hold secrets."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
