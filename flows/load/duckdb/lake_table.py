"""A view in a DuckDB file over the lake's day folders: no load, every query reads the files."""

from __future__ import annotations

import glob

import duckdb

from flows.load.duckdb.files import lake_folder
from flows.load.duckdb.tables import literal, quoted
from flows.load.warehouse.lake_table import DAY_KEY, days_url, lake_table, no_days
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetMismatch
from flows.tlc.locations import SCHEMA
from flows.tlc.schema import schema_of


def create_lake_view(connection: duckdb.DuckDBPyConnection, dataset: Dataset, lake_url: str) -> str:
    """Make or replace the view ``tlc.{dataset}_trips_lake``; returns its name.

    Columns that no file has yet are null in it. Raises TargetMismatch if the lake has no day folders.
    """
    days = lake_folder(days_url(lake_url, dataset))
    files = literal(f"{glob.escape(str(days))}/{DAY_KEY}=*/*.parquet")
    source = (
        f"read_parquet({files}, union_by_name = true, hive_partitioning = true, hive_types = {{'{DAY_KEY}': DATE}})"
    )
    if not any(days.glob(f"{DAY_KEY}=*/*.parquet")):
        raise TargetMismatch(no_days(lake_url, dataset))
    described = connection.execute(f"describe select * from {source}").fetchall()  # noqa: S608
    found = {name for name, *_ in described}
    columns = [
        quoted(column.name) if column.name in found else f"null::{column.duckdb} as {quoted(column.name)}"
        for column in schema_of(dataset).columns
    ]
    name = f"{SCHEMA}.{lake_table(dataset)}"
    connection.execute(f"create schema if not exists {SCHEMA}")
    connection.execute(f"create or replace view {name} as select {', '.join([*columns, DAY_KEY])} from {source}")  # noqa: S608
    return name
