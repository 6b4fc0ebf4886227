"""The files that are measured, made once and kept under ``.local/bench``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psycopg2
import pyarrow.parquet as pq
from psycopg2 import sql

from deployments.tlc_site.synthetic.file_formats import raw_schema
from deployments.tlc_site.synthetic.months import ROW_GROUP_ROWS
from flows.tlc.dataset import Dataset
from flows.tlc.month import Month

MONTH = "2019-03"
CHECKOUT = Path(__file__).resolve().parents[2]
SHARED = CHECKOUT.parent / "shared"
FOLDER = CHECKOUT / ".local" / "bench"


def month_file(rows: int, month: str = MONTH) -> Path:
    """A yellow month of ``rows`` rows: real rows resampled where the samples are there, else generated ones."""
    path = FOLDER / (f"yellow-{rows}.parquet" if month == MONTH else f"yellow-{rows}-{month}.parquet")
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        tool = SHARED / "tools" / "make_month.py"
        if tool.is_file():
            command = [str(tool), str(SHARED / "tlc" / "yellow_samples"), str(part), str(rows), month]
        else:
            command = ["-c", _GENERATE, str(part), str(rows), month]
        # In a process of its own: what it takes in memory is not to be seen in those that are measured.
        subprocess.run([sys.executable, *command], check=True, cwd=CHECKOUT, stdout=subprocess.DEVNULL)
        part.rename(path)
    return path


_GENERATE = """
import sys
from pathlib import Path
from deployments.tlc_site.synthetic.months import write_parquet
from flows.tlc.dataset import Dataset
from flows.tlc.month import Month
write_parquet(Dataset("yellow"), Month.parse(sys.argv[3]), Path(sys.argv[1]), rows=int(sys.argv[2]))
"""


def published_file(rows: int, month: Month) -> Path:
    """``month_file`` as TLC publishes it since 2023-02: types, row groups and codec of its files, and their order.

    The rows of the real files are in order but for an hour: nearly every second one was before the one above it, half
    of these by 20 minutes or more (green 2020-12 and 2023-12, yellow 2025-01).
    """
    path = FOLDER / f"yellow-{rows}-{month}-published.parquet"
    if not path.exists():
        table = pq.read_table(month_file(rows, str(month)))
        rng = np.random.default_rng(7)
        late = rng.integers(0, _OUT_OF_ORDER, rows).astype("timedelta64[us]")
        table = table.take(np.argsort(table[_PICKUP].to_numpy() + late, kind="stable"))
        schema = raw_schema(Dataset.yellow, month)
        part = path.with_suffix(".part")
        table = table.rename_columns(schema.names).cast(schema)
        pq.write_table(table, part, row_group_size=ROW_GROUP_ROWS, compression="zstd")
        part.rename(path)
    return path


_PICKUP = "tpep_pickup_datetime"
_OUT_OF_ORDER = 70 * 60 * 1_000_000  # microseconds


def repeated_file(source: Path, rows: int) -> Path:
    """``rows`` rows, by the row groups of ``source`` again and again: as large a file in little memory."""
    path = FOLDER / f"yellow-{rows}-repeated.parquet"
    if path.exists():
        return path
    part, left = path.with_suffix(".part"), rows
    file = pq.ParquetFile(source)
    with pq.ParquetWriter(part, file.schema_arrow, compression="zstd") as writer:
        while left:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)[: min(left, file.metadata.row_group(group).num_rows)]
                writer.write_table(table)
                left -= table.num_rows
                if not left:
                    break
    part.rename(path)
    return path


def binary_file(postgres_url: str, table: str, path: Path) -> Path:
    """The rows of ``table`` as COPY's binary format has them, where the server can read it, whoever it runs as."""
    connection = psycopg2.connect(postgres_url)
    schema, name = table.split(".")
    with connection, connection.cursor() as cursor, path.open("wb") as file:
        statement = sql.SQL("copy {} to stdout with (format binary)").format(sql.Identifier(schema, name))
        cursor.copy_expert(statement, file, 1 << 20)
    connection.close()
    path.chmod(0o644)
    return path


def dlt_python() -> Path:
    """The interpreter of an environment that has dlt, made at the first call."""
    folder = CHECKOUT / ".local" / "bench-dlt"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / ".ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *_DLT], check=True)
        (folder / ".ready").touch()
    return python


_DLT = ["dlt[postgres]", "pyarrow", "adbc-driver-postgresql", "psycopg2-binary"]
