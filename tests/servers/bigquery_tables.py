"""BigQuery's datasets, tables and partitions as the stand-in keeps them: checked schemas, rows by partition."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tests.servers.recording import ApiError

CANONICAL_TYPES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}
ARROW_TYPES: dict[str, pa.DataType] = {
    "STRING": pa.string(),
    "JSON": pa.string(),
    "BYTES": pa.binary(),
    "INTEGER": pa.int64(),
    "FLOAT": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "DATETIME": pa.timestamp("us"),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
    "NUMERIC": pa.decimal128(38, 9),
    "BIGNUMERIC": pa.decimal256(76, 38),
}
PARTITION_FORMATS = {"YEAR": ("%Y", 4), "MONTH": ("%Y%m", 6), "DAY": ("%Y%m%d", 8), "HOUR": ("%Y%m%d%H", 10)}
PARTITION_TYPES = ("DATE", "TIMESTAMP", "DATETIME")
CLUSTERING_TYPES = {"STRING", "INTEGER", "BOOLEAN", "DATE", "DATETIME", "TIMESTAMP", "NUMERIC", "BIGNUMERIC"}
REASON_STATUSES = {"accessDenied": 403, "quotaExceeded": 403, "rateLimitExceeded": 403, "notFound": 404}
REASON_STATUSES |= {"duplicate": 409, "internalError": 500, "backendError": 503}
MAX_CLUSTERING_FIELDS = 4
MAX_LABELS = 64


class JobFailed(Exception):
    """A job that ends DONE with an error: `result` becomes its errorResult, with `more` its errors[]."""

    def __init__(
        self, reason: str, message: str, location: str | None = None, *, more: list[dict[str, Any]] | None = None
    ):
        super().__init__(message)
        self.result = {"reason": reason, "message": message} | ({"location": location} if location else {})
        self.more = more or []

    def as_answer(self) -> ApiError:
        """The error as an HTTP answer, where the API gives it as one."""
        return ApiError(REASON_STATUSES.get(self.result["reason"], 400), self.result["reason"], self.result["message"])


@dataclass
class Table:
    """One table: its resource as the API shows it, and its rows by partition id ("" where it has no partitions)."""

    resource: dict[str, Any]
    partitions: dict[str, pa.Table] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name in error messages: "project:dataset.table"."""
        reference = self.resource["tableReference"]
        return f"{reference['projectId']}:{reference['datasetId']}.{reference['tableId']}"

    @property
    def fields(self) -> list[dict[str, Any]]:
        return self.resource.get("schema", {}).get("fields", [])

    @property
    def partitioning(self) -> dict[str, Any] | None:
        return self.resource.get("timePartitioning")

    @property
    def view_query(self) -> str | None:
        """The statement of a view; None for what has rows of its own."""
        return self.resource.get("view", {}).get("query")

    def rows(self, partition: str | None = None) -> pa.Table:
        """The rows of one partition, or of all."""
        schema = arrow_schema(self.fields)
        if partition is not None:
            return self.partitions.get(partition, schema.empty_table())
        return pa.concat_tables([schema.empty_table(), *(rows for _, rows in sorted(self.partitions.items()))])

    def split(self, rows: pa.Table) -> dict[str, pa.Table]:
        """Rows by the partition that they belong to."""
        if self.partitioning is None or "field" not in self.partitioning:
            return {"" if self.partitioning is None else time.strftime(PARTITION_FORMATS["DAY"][0]): rows}
        ids = partition_ids(rows[self.partitioning["field"]], self.partitioning["type"])
        return {value: rows.filter(pc.equal(ids, value)) for value in sorted(ids.unique().to_pylist())}

    def changed(self) -> None:
        """Give the table a new etag and modification time."""
        self.resource["etag"] = f'"{time.monotonic_ns()}"'
        self.resource["lastModifiedTime"] = str(time.time_ns() // 1_000_000)

    def view(self) -> dict[str, Any]:
        """The resource with its current counts."""
        rows = self.rows() if self.fields and self.resource["type"] == "TABLE" else pa.table({})
        return self.resource | {"numRows": str(rows.num_rows), "numBytes": str(rows.nbytes)}


def widened(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows of an older schema with nulls in the columns that came since."""
    for column in schema:
        if column.name not in rows.column_names:
            rows = rows.append_column(column, pa.nulls(rows.num_rows, column.type))
    return rows.select(schema.names)


def partition_ids(values: pa.ChunkedArray, granularity: str) -> pa.ChunkedArray:
    """The partition id of each value of a partitioning column: "202010", or "__NULL__"."""
    moments = values.cast(pa.timestamp("s", tz=getattr(values.type, "tz", None)), safe=False)
    return pc.strftime(moments, format=PARTITION_FORMATS[granularity][0]).fill_null("__NULL__")


def arrow_type(column: dict[str, Any]) -> pa.DataType:
    """The Arrow type of a BigQuery column."""
    kind = canonical_type(column)
    single = pa.struct(arrow_schema(column["fields"])) if kind == "RECORD" else ARROW_TYPES[kind]
    return pa.list_(single) if column.get("mode") == "REPEATED" else single


def arrow_schema(fields: list[dict[str, Any]]) -> pa.Schema:
    """The Arrow schema of a table's columns."""
    return pa.schema([pa.field(column["name"], arrow_type(column)) for column in fields])


def canonical_type(column: dict[str, Any]) -> str:
    """A column's type by the name that the API answers with: INTEGER for INT64."""
    kind = str(column.get("type", "")).upper()
    return CANONICAL_TYPES.get(kind, kind)


def check_fields(fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The columns with canonical types and modes; a 400 for what BigQuery does not know."""
    seen: set[str] = set()
    for column in fields:
        name = column.get("name", "")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,299}", name):
            raise ApiError(
                400,
                "invalid",
                f'Invalid field name "{name}". Fields must contain only letters, numbers, and underscores, '
                "start with a letter or underscore, and be at most 300 characters long.",
            )
        if name.lower() in seen:
            raise ApiError(400, "invalid", f"Field {name} already exists in schema")
        seen.add(name.lower())
        if canonical_type(column) not in {*ARROW_TYPES, "RECORD"}:
            raise ApiError(400, "invalid", f"Invalid value for type: {column.get('type')} is not a valid value")
        if column.get("mode", "NULLABLE") not in ("NULLABLE", "REQUIRED", "REPEATED"):
            raise ApiError(400, "invalid", f"Invalid value for mode: {column['mode']} is not a valid value")
        if len(column.get("description", "")) > 1024:
            raise ApiError(400, "invalid", f"Description for field {name} is too long")
    return [column | {"type": canonical_type(column), "mode": column.get("mode", "NULLABLE")} for column in fields]


def check_partitioning(resource: dict[str, Any]) -> None:
    """Raise a 400 for time partitioning or clustering that does not fit the schema."""
    columns = {column["name"]: column for column in resource.get("schema", {}).get("fields", [])}
    partitioning = resource.get("timePartitioning")
    if partitioning:
        if partitioning.get("type") not in PARTITION_FORMATS:
            raise ApiError(400, "invalid", f"Invalid value for type: {partitioning.get('type')} is not a valid value")
        column = partitioning.get("field")
        if column and not columns:
            raise ApiError(400, "invalid", "Table with field based partitioning must have a schema.")
        if column and column not in columns:
            raise ApiError(400, "invalid", "The field specified for partitioning cannot be found in the schema.")
        if column and columns[column]["type"] not in PARTITION_TYPES:
            raise ApiError(
                400,
                "invalid",
                "The field specified for time partitioning can only be of type TIMESTAMP, DATE or DATETIME. "
                f"The type found is: {columns[column]['type']}.",
            )
    clustering = resource.get("clustering", {}).get("fields", [])
    if len(clustering) > MAX_CLUSTERING_FIELDS:
        raise ApiError(400, "invalid", "Too many clustering fields. Maximum number of fields allowed is 4.")
    for name in clustering:
        if columns and name not in columns:
            raise ApiError(400, "invalid", "The field specified for clustering cannot be found in the schema.")
        if columns and columns[name]["type"] not in CLUSTERING_TYPES:
            raise ApiError(400, "invalid", f"Clustering is not supported on field {name} of {columns[name]['type']}.")


def check_labels(labels: dict[str, Any]) -> None:
    """Raise a 400 for labels that Google does not take: lower case, digits, "_" and "-", at most 63 characters."""
    if len(labels) > MAX_LABELS:
        raise ApiError(400, "invalid", f"Too many labels: {len(labels)}, at most {MAX_LABELS} are allowed.")
    for key, value in labels.items():
        if not re.fullmatch(r"[^\W\dA-Z_][^\WA-Z]{0,62}|[^\W\dA-Z_](?:[^\WA-Z]|-){0,62}", key):
            raise ApiError(
                400, "invalid", f'Invalid label key "{key}": lowercase letters, numbers, _ and -, at most 63.'
            )
        if value is not None and not re.fullmatch(r"(?:[^\WA-Z]|-){0,63}", value):
            raise ApiError(
                400, "invalid", f'Invalid label value "{value}" of "{key}": lowercase letters, numbers, _, -.'
            )


def partitioning_text(resource: dict[str, Any]) -> str:
    """Partitioning and clustering as BigQuery writes them: "interval(type:month,field:d) clustering(a,b)"."""
    partitioning, clustering = resource.get("timePartitioning"), resource.get("clustering", {}).get("fields", [])
    parts = []
    if partitioning:
        column = f",field:{partitioning['field']}" if partitioning.get("field") else ""
        parts.append(f"interval(type:{partitioning['type'].lower()}{column})")
    if clustering:
        parts.append(f"clustering({','.join(clustering)})")
    return " ".join(parts) or "none"


def merged_fields(
    table: Table, wanted: list[dict[str, Any]], name: str, *, may_add: bool = False, may_relax: bool = False
) -> list[dict[str, Any]]:
    """The table's columns after a job or a patch that brings `wanted`; JobFailed where they do not go together."""
    new = {column["name"].lower(): column for column in wanted}
    where = f"Provided Schema does not match Table {name}."
    result = []
    for old in table.fields:
        column = new.pop(old["name"].lower(), None)
        if column is None:
            raise JobFailed("invalid", f"{where} Field {old['name']} is missing in new schema")
        if column["type"] != old["type"]:
            raise JobFailed(
                "invalid", f"{where} Field {old['name']} has changed type from {old['type']} to {column['type']}"
            )
        relaxed = (old["mode"], column["mode"]) == ("REQUIRED", "NULLABLE")
        if column["mode"] != old["mode"] and not (relaxed and may_relax):
            raise JobFailed(
                "invalid", f"{where} Field {old['name']} has changed mode from {old['mode']} to {column['mode']}"
            )
        result.append(column)
    for column in new.values():
        if not may_add or column["mode"] == "REQUIRED":
            raise JobFailed("invalid", f"{where} Cannot add fields (field: {column['name']})")
    return result + list(new.values())
