"""A case's file loaded for real: Postgres, the lake and the warehouse have to have the rows expected."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg2 import sql

from flows.load.duckdb.month import DuckDbWarehouse
from flows.load.lake.folder import FolderLake
from flows.load.lake.month import load_month as load_lake
from flows.load.month_load import MonthLoad
from flows.load.postgres import load_month as load_postgres
from flows.load.rejected_spill import rejected_spill
from flows.load.warehouse.protocol import WarehouseLoad
from flows.tlc.locations import lake_object
from tests.fuzz.judge import Case, compare, opened


def load_everywhere(case: Case, postgres_url: str) -> str:
    """What is wrong with the rows in the first target that has others than expected; nothing if all are right."""
    assert case.expected is not None
    try:
        with tempfile.TemporaryDirectory(prefix="fuzz-load-") as folder:
            lake = FolderLake(Path(folder) / "lake")
            file = _into_lake(case, lake, Path(folder) / "work")
            names = file.column_names
            in_warehouse = _into_warehouse(case, lake, Path(folder) / "warehouse.duckdb", names)
            return (
                compare(case.expected, case.request, file)
                or _differing("the warehouse", file, in_warehouse)
                or _differing("Postgres", file, _into_postgres(case, postgres_url, names))
            )
    except Exception as error:  # the very thing that is looked for: the stream had no error
        return f"the load fails: {type(error).__name__}: {error}"[:500]


def _into_lake(case: Case, lake: FolderLake, work_dir: Path) -> pa.Table:
    load = MonthLoad(case.request, "gcs", "http://source/trips", "v1")
    with rejected_spill() as rejected, opened(case, rejected.write) as trips:
        load_lake(lake, load, trips, rejected, work_dir=work_dir, source_bytes=case.path.stat().st_size)
    return pq.read_table(lake.path_of(lake_object(case.request.dataset, case.request.month)))


def _into_warehouse(case: Case, lake: FolderLake, path: Path, names: list[str]) -> list[tuple[Any, ...]]:
    manifest = lake.read_manifest(case.request.dataset, case.request.month)
    assert manifest is not None
    DuckDbWarehouse(path).load_month(WarehouseLoad(manifest, lake.url))
    columns = ", ".join(f'"{name}"' for name in names)
    with duckdb.connect(path, read_only=True) as connection:
        return connection.execute(f"select {columns} from tlc.{case.request.dataset}_trips").fetchall()


def _into_postgres(case: Case, url: str, names: list[str]) -> list[tuple[Any, ...]]:
    load = MonthLoad(case.request, "postgres", "http://source/trips", case.path.parent.name)
    connection = psycopg2.connect(url)
    try:
        with rejected_spill() as rejected, opened(case, rejected.write) as trips:
            load_postgres(connection, load, trips, rejected, force=True)
        with connection, connection.cursor() as cursor:
            query = sql.SQL("select {} from {} where source_month = %s").format(
                sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier("tlc", f"{case.request.dataset}_trips")
            )
            cursor.execute(query, [case.request.month.first_day])
            return cursor.fetchall()
    finally:
        connection.close()


def _differing(target: str, file: pa.Table, rows: list[tuple[Any, ...]]) -> str:
    """What a target has and the lake's file has not, or the other way round: neither keeps an order."""
    wanted = Counter(zip(*(column.to_pylist() for column in file.columns), strict=True))
    got = Counter(rows)
    return f"{target} has {list(got - wanted)[:1]}, expected {list(wanted - got)[:1]}" if got != wanted else ""
