"""Whether a block can be saved at all, told without a server.

Where no API is configured, Prefect starts a server of its own for the first question: 15 s, to learn that a block was
never saved. Its database is a file, and what is not in there no server would find.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from prefect.settings import get_current_settings


def may_be_saved(name: str) -> bool:
    """False where it is certain that no block of that name is saved; True where only a server can tell."""
    if get_current_settings().api.url:
        return True
    file = _database_file()
    if file is None:
        return True
    return file.is_file() and _has_block(file, name)


def server_would_start(names: Iterable[str]) -> bool:
    """Whether loading one of the blocks makes Prefect start a server of its own."""
    return not get_current_settings().api.url and any(map(may_be_saved, names))


def _database_file() -> Path | None:
    """The database of the server that Prefect would start; None where it is no file."""
    url = get_current_settings().server.database.connection_url
    backend, _, path = (url.get_secret_value() if url else "").partition(":///")
    is_file = backend.startswith("sqlite") and path and ":memory:" not in path
    return Path(path.partition("?")[0]) if is_file else None


def _has_block(file: Path, name: str) -> bool:
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as connection:
            found = connection.execute("select 1 from block_document where name = ? limit 1", (name,)).fetchone()
    except sqlite3.Error:  # another version's tables, or locked: the server knows
        return True
    return found is not None
