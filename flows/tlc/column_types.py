"""The types that a column can have, and what each is called in Arrow, Postgres, BigQuery and DuckDB: written once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

TypeName = Literal["int16", "int32", "float64", "text", "timestamp", "date"]


@dataclass(frozen=True)
class ColumnType:
    """One type, by its name in each system."""

    arrow: pa.DataType
    postgres: str
    bigquery: str
    duckdb: str


# Timestamps are New York wall-clock times: without a zone everywhere, and in microseconds, because the source holds
# years (3019) that nanoseconds cannot.
COLUMN_TYPES: Mapping[TypeName, ColumnType] = {
    "int16": ColumnType(pa.int16(), "smallint", "INT64", "SMALLINT"),
    "int32": ColumnType(pa.int32(), "integer", "INT64", "INTEGER"),
    "float64": ColumnType(pa.float64(), "double precision", "FLOAT64", "DOUBLE"),
    "text": ColumnType(pa.string(), "text", "STRING", "VARCHAR"),
    "timestamp": ColumnType(pa.timestamp("us"), "timestamp", "DATETIME", "TIMESTAMP"),
    "date": ColumnType(pa.date32(), "date", "DATE", "DATE"),
}
