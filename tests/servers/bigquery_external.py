"""External tables of the BigQuery stand-in: Parquet files read where they lie, with the Hive keys of their folders."""

from __future__ import annotations

import datetime
import re
from typing import Any

import pyarrow as pa

from tests.servers.bigquery_parquet import ListObjects, ReadObject, detected_fields, matched_rows, read_files
from tests.servers.bigquery_tables import Table, arrow_schema, check_fields
from tests.servers.recording import ApiError

HIVE_MODES = ("AUTO", "STRINGS", "CUSTOM")


def check_external(external: dict[str, Any]) -> None:
    """Raise the 400 that the real API answers to a description of files which cannot be."""
    uris = external.get("sourceUris") or []
    if external.get("sourceFormat") != "PARQUET":
        raise ApiError(400, "invalid", f"The stand-in has external tables over PARQUET alone: {external}")
    if not uris or any(not uri.startswith("gs://") or uri.count("*") > 1 for uri in uris):
        raise ApiError(400, "invalid", f"External tables need gs:// addresses with at most one '*' each: {uris}")
    hive = external.get("hivePartitioningOptions")
    if hive is None:
        return
    if hive.get("mode", "AUTO") not in HIVE_MODES:
        raise ApiError(400, "invalid", f"Invalid value for mode: {hive['mode']} is not a valid value")
    prefix = _plain_prefix(hive)
    if not prefix.startswith("gs://") or any(not uri.startswith(prefix) for uri in uris):
        raise ApiError(400, "invalid", f"The source URI prefix {prefix!r} must be a prefix of each of {uris}.")


def _plain_prefix(hive: dict[str, Any]) -> str:
    return str(hive.get("sourceUriPrefix", "")).partition("{")[0]


def external_fields(external: dict[str, Any], read: ReadObject, find: ListObjects) -> list[dict[str, Any]]:
    """The columns that BigQuery shows: those declared or of the last file, then the keys of the folders."""
    files = read_files(external["sourceUris"], read, find)
    declared = external.get("schema", {}).get("fields")
    fields = check_fields(declared) if declared else detected_fields(files)
    keys = _hive_fields(external.get("hivePartitioningOptions"), [uri for uri, _ in files])
    twice = {field["name"] for field in fields} & {field["name"] for field in keys}
    if twice:
        raise ApiError(400, "invalid", f"Hive partition keys {sorted(twice)} are columns of the files too.")
    return fields + keys


def read_external(table: Table, read: ReadObject, find: ListObjects) -> Table:
    """The table with the rows of its files; JobFailed where one does not fit."""
    external = table.resource["externalDataConfiguration"]
    files = read_files(external["sourceUris"], read, find)
    keys = _hive_fields(external.get("hivePartitioningOptions"), [uri for uri, _ in files])
    names = {field["name"] for field in keys}
    fields = [field for field in table.fields if field["name"] not in names]
    parts = [arrow_schema(table.fields).empty_table()]
    for uri, content in files:
        rows = matched_rows(fields, uri, content, table.name, ignore_unknown=True)
        for field, column in zip(keys, arrow_schema(keys), strict=True):
            value = pa.scalar(_hive_values(uri)[field["name"]]).cast(column.type)
            rows = rows.append_column(column, pa.repeat(value, rows.num_rows))
        parts.append(rows)
    return Table(table.resource, {"": pa.concat_tables(parts)})


def _hive_values(uri: str) -> dict[str, str]:
    return dict(re.findall(r"/([^/=]+)=([^/]*)(?=/)", uri))


def _hive_fields(hive: dict[str, Any] | None, uris: list[str]) -> list[dict[str, Any]]:
    """The keys of the folders as columns: types declared in the prefix (CUSTOM), STRING, or told from the values."""
    if hive is None:
        return []
    declared = dict(re.findall(r"\{(\w+):(\w+)\}", hive.get("sourceUriPrefix", "")))
    found = [_hive_values(uri[len(_plain_prefix(hive).rstrip("/")) :]) for uri in uris]
    if len({tuple(values) for values in found}) > 1:
        raise ApiError(400, "invalid", "The files do not have the same Hive partition keys.")
    names = list(found[0]) if found else list(declared)
    types = {name: "STRING" if hive.get("mode") == "STRINGS" else declared.get(name) for name in names}
    kinds = {name: types[name] or _told_type([values[name] for values in found]) for name in names}
    return check_fields([{"name": name, "type": kind} for name, kind in kinds.items()])


def _told_type(values: list[str]) -> str:
    if all(value.isdigit() for value in values):
        return "INTEGER"
    try:
        for value in values:
            datetime.date.fromisoformat(value)
    except ValueError:
        return "STRING"
    return "DATE"
