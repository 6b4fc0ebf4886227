"""The manifest's Parquet files as DuckDB reads them: where they lie, whether they are what the manifest says."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

import duckdb

from flows.load.duckdb.tables import literal
from flows.load.warehouse.protocol import WarehouseLoad
from flows.tlc.errors import ParameterError, TargetBusy, TargetMismatch
from flows.tlc.urls import url_to_path


def lake_folder(lake_url: str) -> Path:
    """The folder that a ``file://`` lake is. Raises ParameterError for a lake on Cloud Storage."""
    folder = url_to_path(lake_url)
    if folder is None:
        raise ParameterError(
            f"DuckDB can query a lake in a folder without loading it, and the lake is {lake_url}. Load its months with "
            "gcs_to_bigquery, or query it from BigQuery (TLC_WAREHOUSE_URL=bigquery://project/dataset?location=…)."
        )
    return folder


def month_files(load: WarehouseLoad) -> list[Path]:
    """The files of the manifest. Raises TargetBusy if one is missing or of another size than it says."""
    folder = lake_folder(load.lake_url)
    files = []
    for item in load.objects:
        path = folder / item.name
        size = path.stat().st_size if path.is_file() else None
        if size != item.bytes:
            what = "is not there" if size is None else f"has {size:,} bytes"
            raise TargetBusy(
                f"{path} {what}, but the lake's manifest says {item.bytes:,} bytes: the month is being written anew, "
                "or someone changed it. Run again; if it stays so, write it with api_to_gcs and force=True."
            )
        files.append(path)
    return files


def file_rows(connection: duckdb.DuckDBPyConnection, load: WarehouseLoad) -> str:
    """The SQL that reads the rows of all files.

    Raises TargetBusy if a file is not the manifest's (any more), TargetMismatch if its columns are not as declared.
    """
    files = month_files(load)
    check_columns(connection, load, files)
    return read_parquet(files)


def read_parquet(files: Sequence[Path | str]) -> str:
    """The SQL that reads them, columns by name; the folders' ``pickup_date`` is no column of the table."""
    names = ", ".join(literal(glob.escape(str(path))) for path in files)
    return f"read_parquet([{names}], hive_partitioning = false)"


def check_columns(connection: duckdb.DuckDBPyConnection, load: WarehouseLoad, files: list[Path]) -> None:
    """Raise TargetMismatch if a file's columns are not the declared ones: DuckDB itself would round to fit."""
    declared = {column.name: column.duckdb for column in load.schema.columns}
    for path in files:
        described = connection.execute(f"describe select * from {read_parquet([path])}").fetchall()  # noqa: S608
        found = {name: kind for name, kind, *_ in described}
        for name in load.manifest.columns:
            if found.get(name) != declared[name]:
                raise TargetMismatch(
                    f"column '{name}' of {path} is {found.get(name, 'not there')}, but {declared[name]} is declared in "
                    f"flows/tlc/schemas/{load.dataset}.toml. The lake was written by another version: write the month "
                    "anew with api_to_gcs and force=True."
                )
