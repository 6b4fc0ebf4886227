"""The tables of names, whatever the target: which are out of date, and where a table says what it holds.

A target's table says its version itself, so that the version goes when the table goes, and comes with its rows: in its
comment where both change in one transaction.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from flows.tlc.codes import CodeRows, code_tables

_VERSION = re.compile(r" Version ([0-9a-f]{12})\.$")


def outdated(wanted: Iterable[CodeRows], versions: Mapping[str, str]) -> list[CodeRows]:
    """Those of ``wanted`` that the target lacks or has in another version; ``versions`` are those it has, by table.

    Rows of no known version are for a table that is not there, which is then empty; they replace nothing.
    """
    return [
        rows for rows in wanted if rows.name not in versions or (rows.version and versions[rows.name] != rows.version)
    ]


def names_version(versions: Mapping[str, str]) -> str:
    """One version of all tables of names, of the version that each of them says; empty if none says any."""
    known = sorted((table.name, versions[table.name]) for table in code_tables() if versions.get(table.name))
    return hashlib.sha256(repr(known).encode()).hexdigest()[:8] if known else ""


def comment_of(rows: CodeRows) -> str:
    """What the table says of itself: its description and its version."""
    return rows.table.description + (f" Version {rows.version}." if rows.version else "")


def version_in(comment: str | None) -> str:
    """The version that such a comment tells; empty if it tells none."""
    found = _VERSION.search(comment or "")
    return found[1] if found else ""
