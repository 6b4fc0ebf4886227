"""Whether a block can be saved at all, found out without a server; and saved blocks, read once a run.

If no API is configured, Prefect starts a server of its own for the first request: 15 s, to learn that a block was
never saved. Its database is a file, and a block that is not in there is not saved.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Hashable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.settings import get_current_settings

from blocks.temporary_server import ask_for_login

# A month of a backfill asks five times for its two blocks, which costs it a quarter of a second; a password that was
# changed counts from the next minute on.
KEEP_SECONDS = 60.0
_MOST_KEPT = 100
_PAGE = 200  # the most that the server gives
_kept: dict[tuple[str, Hashable], tuple[float, Any]] = {}

ask_for_login()  # every flow and every command that saves blocks imports this


def may_be_saved(name: str) -> bool:
    """False if it is certain that no block of that name is saved; True if only a server can tell."""
    if get_current_settings().api.url:
        return True
    file = _database_file()
    if file is None:
        return True
    return file.is_file() and _has_block(file, name)


def saved_names() -> set[str]:
    """The names of all blocks that are saved."""
    documents: list[BlockDocument] = []
    with get_client(sync_client=True) as client:
        while page := client.read_block_documents(offset=len(documents), limit=_PAGE, include_secrets=False):
            documents += page
    return {document.name for document in documents if document.name}


def cached_block(kind: type[Block], name: str) -> Any:
    """The saved block, from the server at most every ``KEEP_SECONDS`` in one flow run; raises what ``load`` raises.

    Each call has a copy of its own: blocks keep engines and connections in themselves.
    """
    return _once_a_run((kind, name), lambda: kind.load(name)).model_copy()


def data_once_a_run(slug: str, name: str) -> dict[str, Any] | None:
    """What the saved block of a type holds, without that type's libraries and its secrets; None if there is none.

    It is kept for the run like ``cached_block``.
    """
    return _once_a_run((slug, name), lambda: _read_data(slug, name))


def _read_data(slug: str, name: str) -> dict[str, Any] | None:
    with get_client(sync_client=True) as client:
        try:
            return client.read_block_document_by_name(name, slug, include_secrets=False).data
        except ObjectNotFound:
            return None


def _once_a_run(what: Hashable, ask: Callable[[], Any]) -> Any:
    run = flow_run.get_id()
    if run is None:
        return ask()
    key = (run, what)
    kept = _kept.get(key)
    if kept is None or time.monotonic() > kept[0]:
        if len(_kept) > _MOST_KEPT:
            _kept.clear()
        kept = (time.monotonic() + KEEP_SECONDS, ask())
        _kept[key] = kept
    return kept[1]


def server_would_start(names: Iterable[str]) -> bool:
    """Whether loading one of the blocks makes Prefect start a server of its own."""
    return not get_current_settings().api.url and any(map(may_be_saved, names))


def _database_file() -> Path | None:
    """The database of the server that Prefect would start; None if it is no file."""
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
