"""Which warehouse the environment names, and the path of a DuckDB file: without Google's libraries."""

from __future__ import annotations

from pathlib import Path

from blocks.settings import Settings
from flows.tlc.errors import ParameterError
from flows.tlc.locations import SCHEMA
from flows.tlc.urls import path_to_url, url_to_path

# Of the block's type, ``TripWarehouse``, for who reads the block without it.
TRIP_WAREHOUSE = "trip-warehouse"
# DuckDB's own: the first begins options, as in a URL, and the second is a slash.
_NOT_IN_DUCKDB = "?\\"


def warehouse_url() -> str:
    """The URL of the warehouse: by default of a DuckDB file in the local folder."""
    return Settings().warehouse_url or path_to_url(Settings().local_dir.absolute() / "warehouse.duckdb", "duckdb")


def duckdb_path(url: str) -> Path | None:
    """The file of ``duckdb:///path``; None for any other URL. Raises ParameterError if it names none of use."""
    if not url.lower().startswith("duckdb:"):
        return None
    path = url_to_path(url, "duckdb")
    if path is None:
        raise ParameterError(
            f"TLC_WAREHOUSE_URL={url}: write the file's whole path, as in duckdb:///home/me/trips.duckdb"
        )
    if found := set(_NOT_IN_DUCKDB) & set(str(path)):
        raise ParameterError(
            f"TLC_WAREHOUSE_URL={url}: DuckDB takes what follows a {' or '.join(sorted(found))} in {path} for "
            "something else, and writes its log elsewhere. Choose a path without it."
        )
    if path.stem.lower() == SCHEMA:
        raise ParameterError(
            f"TLC_WAREHOUSE_URL={url}: DuckDB names a database for its file, and a database {SCHEMA} with a schema "
            f"{SCHEMA} is ambiguous in every query. Choose another file name, as in {path.with_name('trips.duckdb')}."
        )
    return path
