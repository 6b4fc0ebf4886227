"""Parquet files as a BigQuery load job reads them: from the lake, columns matched by name and checked for type."""

from __future__ import annotations

import io
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.servers.bigquery_tables import JobFailed, arrow_schema, arrow_type, check_fields

ReadObject = Callable[[str, str], bytes]
ListObjects = Callable[[str, str], list[str]]

READING = "Error while reading data, error message:"
# Which physical types a column may have, by the documented conversions, and what the real API calls its target.
PHYSICAL_TYPES = {
    "INTEGER": ({"INT32", "INT64"}, "INT64"),
    "FLOAT": ({"FLOAT", "DOUBLE"}, "DOUBLE"),
    "BOOLEAN": ({"BOOLEAN"}, "BOOL"),
    "STRING": ({"BYTE_ARRAY"}, "STRING"),
    "JSON": ({"BYTE_ARRAY"}, "STRING"),
    "BYTES": ({"BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"}, "STRING"),
    "DATE": ({"INT32"}, "INT32"),
    "TIME": ({"INT32", "INT64"}, "INT64"),
    "DATETIME": ({"INT64"}, "INT64"),
    "TIMESTAMP": ({"INT64", "INT96"}, "INT64"),
}
LOGICAL_TYPES = {"DATE": ("DATE",), "DATETIME": ("TIMESTAMP",), "TIMESTAMP": ("TIMESTAMP",), "TIME": ("TIME",)}
PLAIN_ARROW_TYPES = {
    "STRING": pa.string(),
    "BYTES": pa.binary(),
    "INTEGER": pa.int64(),
    "FLOAT": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "DATETIME": pa.timestamp("us"),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
}


def read_files(uris: list[str], read: ReadObject, find: ListObjects) -> list[tuple[str, bytes]]:
    """Each source file's address and content, wildcards expanded."""
    files = []
    for uri in uris:
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        names = [name]
        if "*" in name:
            names = [found for found in find(bucket, name.partition("*")[0]) if fnmatchcase(found, name)]
        for found in names:
            try:
                files.append((f"gs://{bucket}/{found}", read(bucket, found)))
            except Exception as missing:
                raise JobFailed("notFound", f"Not found: URI gs://{bucket}/{found}") from missing
        if not names:
            raise JobFailed("notFound", f"Not found: Uris {uri}")
    return files


def _opened(uri: str, content: bytes) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(io.BytesIO(content))
    except pa.ArrowException as broken:
        raise JobFailed("invalid", f"{READING} Input file is not in Parquet format. File: {uri}", uri) from broken


def detected_fields(files: list[tuple[str, bytes]]) -> list[dict[str, Any]]:
    """The columns of the alphabetically last file, as BigQuery takes them where no schema is given."""
    names = {kind: name for name, kind in PLAIN_ARROW_TYPES.items()}
    schema = _opened(*max(files)).schema_arrow
    return check_fields(
        [{"name": column.name, "type": names.get(_plain_type(column.type), "NUMERIC")} for column in schema]
    )


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_integer(kind):
        return pa.int64()
    if pa.types.is_floating(kind):
        return pa.float64()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz="UTC" if kind.tz else None)
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_dictionary(kind) else kind


def matched_rows(fields: list[dict[str, Any]], uri: str, content: bytes, name: str, ignore_unknown: bool) -> pa.Table:
    """A file's rows in the table's columns, matched by name; JobFailed for a column that does not fit."""
    file = _opened(uri, content)
    found = {file.schema.column(i).path.split(".")[0].lower(): file.schema.column(i) for i in range(len(file.schema))}
    unknown = [column for column in found if column not in {field["name"].lower() for field in fields}]
    if unknown and not ignore_unknown:
        raise JobFailed(
            "invalid", f"Provided Schema does not match Table {name}. Cannot add fields (field: {unknown[0]})"
        )
    rows = file.read()
    rows = rows.rename_columns([column.lower() for column in rows.column_names])
    arrays = []
    for field in fields:
        column = field["name"].lower()
        if column in found:
            _check_column(field, found[column], uri)
            values = rows[column].cast(arrow_type(field))
        else:
            values = pa.nulls(rows.num_rows, arrow_type(field))
        if field["mode"] == "REQUIRED" and values.null_count:
            raise JobFailed("invalid", f"{READING} Required field '{field['name']}' has null values. File: {uri}", uri)
        arrays.append(values)
    return pa.table(arrays, schema=arrow_schema(fields))


def _check_column(field: dict[str, Any], found: Any, uri: str) -> None:
    """Fail the job where a Parquet column's physical or logical type is not one that BigQuery converts."""
    kind, physical, logical = field["type"], found.physical_type, found.logical_type
    if kind not in PHYSICAL_TYPES or physical == "INT96":
        return
    allowed, cpp_type = PHYSICAL_TYPES[kind]
    has_type = f"{READING} Parquet column '{field['name']}' has type {physical}"
    if physical not in allowed or (logical.type == "NULL" and kind != "INTEGER"):
        raise JobFailed("invalid", f"{has_type} which does not match the target cpp_type {cpp_type}. File: {uri}", uri)
    details = str(logical)
    fits = logical.type in LOGICAL_TYPES.get(kind, ("NONE", "INT", "STRING", "JSON", "ENUM", "NULL"))
    is_utc_as_local = kind == "DATETIME" and "isAdjustedToUTC=true" in details
    if not fits or is_utc_as_local or "timeUnit=nanoseconds" in details:
        raise JobFailed(
            "invalid", f"{has_type} ({details}) which does not match the target type {kind}. File: {uri}", uri
        )
