"""The types that a column can have, and what each is called in Arrow, Postgres, BigQuery and DuckDB: written once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

TypeName = Literal["int16", "int32", "float64", "text", "timestamp", "date"]


@dataclass(frozen=True)
class ColumnType:
    """One type, by its name in each system."""

    arrow_name: str
    postgres: str
    bigquery: str
    duckdb: str

    @property
    def arrow(self) -> pa.DataType:
        import pyarrow as pa  # noqa: PLC0415 - a fifth of a second that the command line's help does not need

        return pa.type_for_alias(self.arrow_name)


# Timestamps are New York wall-clock times: without a zone everywhere, and in microseconds, because the source holds
# years (3019) that nanoseconds cannot.
COLUMN_TYPES: Mapping[TypeName, ColumnType] = {
    "int16": ColumnType("int16", "smallint", "INT64", "SMALLINT"),
    "int32": ColumnType("int32", "integer", "INT64", "INTEGER"),
    "float64": ColumnType("float64", "double precision", "FLOAT64", "DOUBLE"),
    "text": ColumnType("string", "text", "STRING", "VARCHAR"),
    "timestamp": ColumnType("timestamp[us]", "timestamp", "DATETIME", "TIMESTAMP"),
    "date": ColumnType("date32", "date", "DATE", "DATE"),
}
