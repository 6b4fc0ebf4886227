"""Which warehouse the environment names, and the path of a DuckDB file: without Google's libraries."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from blocks.settings import Settings

# Of the block's type, ``TripWarehouse``, for who reads the block without it.
TRIP_WAREHOUSE = "trip-warehouse"


def warehouse_url() -> str:
    """The URL of the warehouse: by default of a DuckDB file in the local folder."""
    return Settings().warehouse_url or f"duckdb://{Settings().local_dir.absolute() / 'warehouse.duckdb'}"


def duckdb_path(url: str) -> Path | None:
    """The file of ``duckdb:///path``; None for any other URL. Raises ValueError where it names no whole path."""
    parts = urlsplit(url)
    if parts.scheme != "duckdb":
        return None
    path = "/" + parts.path.lstrip("/")
    if parts.netloc or path == "/":
        raise ValueError(f"TLC_WAREHOUSE_URL={url}: write the file's whole path, as in duckdb:///home/me/trips.duckdb")
    return Path(path)
