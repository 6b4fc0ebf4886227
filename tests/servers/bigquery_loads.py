"""Load jobs of the BigQuery stand-in: what a configuration may say, and which partitions a load puts in place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tests.servers.bigquery_parquet import ListObjects, ReadObject, detected_fields, matched_rows, read_files
from tests.servers.bigquery_tables import (
    PARTITION_FORMATS,
    JobFailed,
    Table,
    arrow_schema,
    check_fields,
    check_partitioning,
    merged_fields,
    partitioning_text,
    widened,
)
from tests.servers.recording import ApiError

MAX_SOURCE_URIS = 10_000
SOURCE_FORMATS = ("CSV", "NEWLINE_DELIMITED_JSON", "AVRO", "PARQUET", "ORC", "DATASTORE_BACKUP")
CREATE_DISPOSITIONS = ("CREATE_IF_NEEDED", "CREATE_NEVER")
WRITE_DISPOSITIONS = ("WRITE_TRUNCATE", "WRITE_TRUNCATE_DATA", "WRITE_APPEND", "WRITE_EMPTY")
SCHEMA_UPDATE_OPTIONS = ("ALLOW_FIELD_ADDITION", "ALLOW_FIELD_RELAXATION")


@dataclass
class Loaded:
    """What a load job would put where, and its statistics."""

    fields: list[dict[str, Any]]
    partitions: dict[str, pa.Table]
    statistics: dict[str, str]


def check_load(load: dict[str, Any]) -> None:
    """Raise the 400 that the real API answers to a configuration which can never run."""
    reference = load.get("destinationTable")
    if not reference or not all(reference.get(part) for part in ("projectId", "datasetId", "tableId")):
        raise ApiError(400, "required", "Required parameter is missing: destinationTable")
    table_id = reference["tableId"]
    if not re.fullmatch(r"\w{1,1024}(\$\w+)?", table_id):
        raise ApiError(
            400,
            "invalid",
            f'Invalid table ID "{table_id}". Table IDs must be alphanumeric (plus underscores) and must be at most '
            "1024 characters long.",
        )
    decorator = table_id.partition("$")[2]
    if decorator and (not decorator.isdigit() or len(decorator) not in (4, 6, 8, 10) or int(decorator[4:6] or 1) > 12):
        raise ApiError(400, "invalid", f"Invalid partition decorator ${decorator} of table {table_id}.")
    _check_uris(load.get("sourceUris") or [])
    if "hivePartitioningOptions" in load:
        raise ApiError(501, "notImplemented", "The stand-in does not load Hive keys.")
    for name, allowed, default in (
        ("sourceFormat", SOURCE_FORMATS, "CSV"),
        ("createDisposition", CREATE_DISPOSITIONS, "CREATE_IF_NEEDED"),
        ("writeDisposition", WRITE_DISPOSITIONS, "WRITE_APPEND"),
    ):
        if load.setdefault(name, default) not in allowed:
            raise ApiError(400, "invalid", f"Invalid value for {name}: {load[name]} is not a valid value")
    _check_schema_updates(load, decorator)
    if "schema" in load:
        load["schema"] = {"fields": check_fields(load["schema"].get("fields", []))}
        check_partitioning(load)


def _check_uris(uris: list[str]) -> None:
    if not uris:
        raise ApiError(400, "invalid", "Load configuration must specify at least one source URI")
    if len(uris) > MAX_SOURCE_URIS:
        raise ApiError(400, "invalid", f"Too many source URIs: {len(uris)}. The maximum is {MAX_SOURCE_URIS}.")
    for uri in uris:
        bucket, slash, name = uri.removeprefix("gs://").partition("/")
        if not uri.startswith("gs://") or not bucket or not slash or not name:
            raise ApiError(400, "invalid", f"Source URI must be a Google Cloud Storage location: [{uri}].")
        if uri.count("*") > 1 or "*" in bucket:
            raise ApiError(400, "invalid", f"Source URI may have one '*', after the bucket: [{uri}].")


def _check_schema_updates(load: dict[str, Any], decorator: str) -> None:
    options = load.get("schemaUpdateOptions", [])
    for option in options:
        if option not in SCHEMA_UPDATE_OPTIONS:
            raise ApiError(400, "invalid", f"Invalid value for schemaUpdateOptions: {option} is not a valid value")
    if options and load["writeDisposition"] == "WRITE_TRUNCATE" and not decorator:
        raise ApiError(
            400,
            "invalid",
            "Schema update options should only be specified with WRITE_APPEND disposition, or with WRITE_TRUNCATE "
            "disposition on a table partition.",
        )


def run_load(load: dict[str, Any], table: Table, *, is_new: bool, read: ReadObject, find: ListObjects) -> Loaded:
    """Read the sources and work out the table's new partitions; nothing is changed here.

    `table` is the one that exists, or an empty one made from the configuration; JobFailed says why the job fails.
    """
    decorator = load["destinationTable"]["tableId"].partition("$")[2]
    name = f"{table.name}${decorator}" if decorator else table.name
    _check_target(load, table, decorator, name, is_new=is_new)
    files = read_files(load["sourceUris"], read, find)
    if load["sourceFormat"] != "PARQUET":
        raise JobFailed(
            "invalid",
            f"Error while reading data, error message: {load['sourceFormat']} table encountered too many errors, "
            "giving up. Rows: 1; errors: 1. Please look into the errors[] collection for more details.",
        )
    given = load.get("schema", {}).get("fields") or (None if is_new else table.fields) or detected_fields(files)
    truncates_table = load["writeDisposition"] == "WRITE_TRUNCATE" and not decorator
    options = load.get("schemaUpdateOptions", [])
    fields = given
    if not is_new and table.fields and not truncates_table:
        may_add, may_relax = "ALLOW_FIELD_ADDITION" in options, "ALLOW_FIELD_RELAXATION" in options
        fields = merged_fields(table, given, name, may_add=may_add, may_relax=may_relax)
    rows = pa.concat_tables(
        [arrow_schema(fields).empty_table()]
        + [matched_rows(fields, uri, content, name, load.get("ignoreUnknownValues", False)) for uri, content in files]
    )
    partitions = _placed(
        load, Table(table.resource | {"schema": {"fields": fields}}, table.partitions), rows, decorator
    )
    sizes = {"inputFiles": len(files), "inputFileBytes": sum(len(content) for _, content in files), "badRecords": 0}
    counts = sizes | {"outputRows": rows.num_rows, "outputBytes": rows.nbytes}
    return Loaded(fields, partitions, {key: str(value) for key, value in counts.items()})


def _check_target(load: dict[str, Any], table: Table, decorator: str, name: str, *, is_new: bool) -> None:
    """Fail the job where table, decorator, partitioning and dispositions do not go together."""
    partitioning = table.partitioning
    if is_new and load["createDisposition"] == "CREATE_NEVER":
        raise JobFailed("notFound", f"Not found: Table {table.name}")
    if decorator and partitioning is None:
        if is_new:
            raise JobFailed(
                "invalid", "Partitioning specification must be provided in order to create partitioned table"
            )
        raise JobFailed("invalid", f"Cannot add storage to a non-partitioned table with a partition reference: {name}")
    if decorator and partitioning and len(decorator) != PARTITION_FORMATS[partitioning["type"]][1]:
        raise JobFailed(
            "invalid", f"Invalid partition {decorator} for table {table.name} partitioned by {partitioning['type']}."
        )
    wanted = {key: load[key] for key in ("timePartitioning", "clustering") if load.get(key)}
    current = {key: table.resource.get(key, {}) for key in wanted}
    if not is_new and partitioning_text(wanted) != partitioning_text(current):
        raise JobFailed(
            "invalid",
            "Incompatible table partitioning specification. Expects partitioning specification "
            f"{partitioning_text(table.resource)}, but input partitioning specification is {partitioning_text(wanted)}",
        )
    if load["writeDisposition"] == "WRITE_EMPTY" and table.rows(decorator or None).num_rows:
        raise JobFailed("duplicate", f"Already Exists: Table {name}")


def _placed(load: dict[str, Any], table: Table, rows: pa.Table, decorator: str) -> dict[str, pa.Table]:
    """The table's partitions after the load, old rows brought to the new columns."""
    new = {decorator: rows} if decorator and "field" not in (table.partitioning or {}) else table.split(rows)
    if decorator and set(new) - {decorator}:
        raise JobFailed(
            "invalid", f"Some rows belong to different partitions rather than destination partition {decorator}"
        )
    schema = arrow_schema(table.fields)
    replaced = load["writeDisposition"].startswith("WRITE_TRUNCATE")
    kept = {} if replaced and not decorator else {key: widened(old, schema) for key, old in table.partitions.items()}
    if replaced and decorator:
        kept.pop(decorator, None)
    for key, part in new.items():
        if part.num_rows:
            kept[key] = pa.concat_tables([kept[key], part]) if key in kept else part
    return kept
