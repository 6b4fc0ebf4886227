"""The methods of BigQuery's API that are about datasets, tables and their rows, as the stand-in answers them."""

from __future__ import annotations

import copy
import re
import time
from typing import Any

import pyarrow as pa

from tests.servers.bigquery_external import check_external, external_fields, read_external
from tests.servers.bigquery_parquet import ListObjects, ReadObject
from tests.servers.bigquery_queries import encoded_rows
from tests.servers.bigquery_tables import (
    JobFailed,
    Table,
    arrow_schema,
    check_fields,
    check_labels,
    check_partitioning,
    merged_fields,
    widened,
)
from tests.servers.recording import ApiError, RecordedRequest, RecordingServer

SUMMARY = "__PARTITIONS_SUMMARY__"
SUMMARY_COLUMNS = ("project_id", "dataset_id", "table_id", "partition_id")
PARTITIONS_VIEW = "INFORMATION_SCHEMA.PARTITIONS"
TABLES_VIEW = "INFORMATION_SCHEMA.TABLES"
TABLES_VIEW_FIELDS = [
    {"name": "table_catalog", "type": "STRING"},
    {"name": "table_schema", "type": "STRING"},
    {"name": "table_name", "type": "STRING"},
    {"name": "table_type", "type": "STRING"},
]
PARTITIONS_VIEW_FIELDS = [
    {"name": "table_catalog", "type": "STRING"},
    {"name": "table_schema", "type": "STRING"},
    {"name": "table_name", "type": "STRING"},
    {"name": "partition_id", "type": "STRING"},
    {"name": "total_rows", "type": "INTEGER"},
    {"name": "total_logical_bytes", "type": "INTEGER"},
]
MAX_PAGE = 100_000
KINDS = {"externalDataConfiguration": "EXTERNAL", "view": "VIEW"}

PathParts = dict[str, str]


def normal_location(location: str) -> str:
    """A location as the API writes it: multi-regions in capitals, regions in small letters."""
    return location.upper() if location.upper() in ("US", "EU") else location.lower()


class Resources(RecordingServer):
    """Datasets and tables of one project, and what tests look at in them."""

    def __init__(self, project: str, read: ReadObject, find: ListObjects):
        super().__init__()
        self.project = project
        self.datasets: dict[str, dict[str, Any]] = {}
        self.tables: dict[tuple[str, str], Table] = {}
        self._read, self._find = read, find

    def create_dataset(self, name: str, location: str = "US") -> None:
        """A dataset, without a request."""
        now = str(time.time_ns() // 1_000_000)
        self.datasets[name] = {
            "kind": "bigquery#dataset",
            "id": f"{self.project}:{name}",
            "datasetReference": {"projectId": self.project, "datasetId": name},
            "location": normal_location(location),
            "creationTime": now,
            "lastModifiedTime": now,
            "etag": f'"{time.monotonic_ns()}"',
        }

    def rows(self, table: str, partition: str | None = None) -> pa.Table:
        """The rows of "dataset.table", or of one partition of it ("202010"); none where the partition is empty."""
        dataset, _, name = table.partition(".")
        return self._table(dataset, name).rows(partition)

    def partitions(self, table: str) -> list[str]:
        """The ids of the partitions of "dataset.table" that hold rows."""
        dataset, _, name = table.partition(".")
        return sorted(self._table(dataset, name).partitions)

    def _dataset(self, name: str, location: str | None = None) -> dict[str, Any]:
        """A dataset; 404 where it is not, or not in the location asked for."""
        dataset = self.datasets.get(name)
        suffix = f" was not found in location {normal_location(location)}" if location else ""
        if dataset is None or (location and dataset["location"] != normal_location(location)):
            raise ApiError(404, "notFound", f"Not found: Dataset {self.project}:{name}{suffix}")
        return dataset

    def _table(self, dataset: str, name: str) -> Table:
        """A table, one partition of it ("t$202010"), or the list of its partitions; 404 where it is not."""
        self._dataset(dataset)
        base, _, decorator = name.partition("$")
        table = self.tables.get((dataset, base))
        if table is None:
            raise ApiError(404, "notFound", f"Not found: Table {self.project}:{dataset}.{base}")
        if decorator == SUMMARY:
            return self._summary(dataset, base, table)
        if decorator:
            return Table(table.resource, {decorator: table.rows(decorator)})
        return table

    def _summary(self, dataset: str, name: str, table: Table) -> Table:
        rows = [[self.project, dataset, name, partition] for partition in sorted(table.partitions)]
        fields = check_fields([{"name": column, "type": "STRING"} for column in SUMMARY_COLUMNS])
        resource = self._table_resource(dataset, f"{name}${SUMMARY}", {"schema": {"fields": fields}})
        columns = [[row[index] for row in rows] for index in range(len(fields))]
        return Table(resource, {"": pa.table(columns, schema=arrow_schema(fields))})

    def _table_resource(self, dataset: str, name: str, given: dict[str, Any]) -> dict[str, Any]:
        now = str(time.time_ns() // 1_000_000)
        return {
            "kind": "bigquery#table",
            "id": f"{self.project}:{dataset}.{name}",
            "selfLink": f"{self.url}/bigquery/v2/projects/{self.project}/datasets/{dataset}/tables/{name}",
            "tableReference": {"projectId": self.project, "datasetId": dataset, "tableId": name},
            "type": next((kind for part, kind in KINDS.items() if part in given), "TABLE"),
            "location": self._dataset(dataset)["location"],
            "creationTime": now,
            "lastModifiedTime": now,
            "etag": f'"{time.monotonic_ns()}"',
            **given,
        }

    def _replace_rows(self, table: Table, rows: pa.Table) -> None:
        table.partitions = {key: part for key, part in table.split(rows).items() if part.num_rows}
        table.changed()

    def _datasets_get(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        return self._dataset(path["datasetId"])

    def _datasets_list(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        return {"kind": "bigquery#datasetList", "datasets": list(self.datasets.values())}

    def _datasets_insert(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        name = request.json.get("datasetReference", {}).get("datasetId", "")
        if not re.fullmatch(r"\w{1,1024}", name):
            raise ApiError(400, "invalid", f'Invalid dataset ID "{name}".')
        if name in self.datasets:
            raise ApiError(409, "duplicate", f"Already Exists: Dataset {self.project}:{name}")
        check_labels(request.json.get("labels", {}))
        self.create_dataset(name, request.json.get("location", "US"))
        kept = {key: value for key, value in request.json.items() if key not in ("location", "datasetReference")}
        self.datasets[name] |= kept
        return self.datasets[name]

    def _datasets_patch(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        dataset = self._dataset(path["datasetId"])
        if normal_location(request.json.get("location") or dataset["location"]) != dataset["location"]:
            raise ApiError(400, "invalid", "Dataset location cannot be changed.")
        check_labels(request.json.get("labels", {}))
        self.datasets[path["datasetId"]] = _merged(dataset, request.json) | {"location": dataset["location"]}
        return self.datasets[path["datasetId"]]

    def _datasets_delete(self, path: PathParts, request: RecordedRequest) -> None:
        name = self._dataset(path["datasetId"])["datasetReference"]["datasetId"]
        inside = [key for key in self.tables if key[0] == name]
        if inside and request.query.get("deleteContents") != "true":
            raise ApiError(400, "resourceInUse", f"Dataset {self.project}:{name} is still in use")
        for key in inside:
            del self.tables[key]
        del self.datasets[name]

    def _tables_get(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        return self._table(path["datasetId"], path["tableId"]).view()

    def _tables_list(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        self._dataset(path["datasetId"])
        inside = [table.resource for key, table in self.tables.items() if key[0] == path["datasetId"]]
        shown = [{key: value for key, value in resource.items() if key != "schema"} for resource in inside]
        return {"kind": "bigquery#tableList", "tables": shown, "totalItems": len(shown)}

    def _tables_insert(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        dataset = path["datasetId"]
        self._dataset(dataset)
        given = copy.deepcopy(request.json)
        name = given.pop("tableReference", {}).get("tableId", "")
        if not re.fullmatch(r"\w{1,1024}", name):
            raise ApiError(
                400,
                "invalid",
                f'Invalid table ID "{name}". Table IDs must be alphanumeric (plus underscores) and must be at most '
                "1024 characters long. Also, Table decorators cannot be used.",
            )
        if "view" in given or "materializedView" in given:
            raise ApiError(501, "notImplemented", "The stand-in makes views by CREATE VIEW alone.")
        if (dataset, name) in self.tables:
            raise ApiError(409, "duplicate", f"Already Exists: Table {self.project}:{dataset}.{name}")
        check_labels(given.get("labels", {}))
        if "schema" in given:
            given["schema"] = {"fields": check_fields(given["schema"].get("fields", []))}
        check_partitioning(given)
        if "externalDataConfiguration" in given:
            given["schema"] = {"fields": self._external_fields(given["externalDataConfiguration"])}
        self.tables[dataset, name] = Table(self._table_resource(dataset, name, given))
        return self.tables[dataset, name].view()

    def _external_fields(self, external: dict[str, Any]) -> list[dict[str, Any]]:
        check_external(external)
        try:
            return external_fields(external, self._read, self._find)
        except JobFailed as wrong:
            raise ApiError(400, "invalid", str(wrong)) from wrong

    def _tables_patch(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        table = self._table(path["datasetId"], path["tableId"])
        if request.headers.get("if-match", table.resource["etag"]) != table.resource["etag"]:
            raise ApiError(412, "conditionNotMet", "Precondition check failed.")
        change = copy.deepcopy(request.json)
        check_labels(change.get("labels") or {})
        wanted, current = change.get("timePartitioning") or {}, table.partitioning or {}
        if any(wanted.get(part, current.get(part)) != current.get(part) for part in ("type", "field")):
            message = "Cannot change partitioning/clustering spec for a partitioned/clustered table."
            raise ApiError(400, "invalid", message)
        if "schema" in change:
            change["schema"] = {"fields": self._patched_fields(table, change["schema"]["fields"])}
        table.resource = _merged(table.resource, change)
        table.changed()
        return table.view()

    @staticmethod
    def _patched_fields(table: Table, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
        try:
            fields = merged_fields(table, check_fields(wanted), table.name, may_add=True, may_relax=True)
        except JobFailed as wrong:
            raise ApiError(400, "invalid", str(wrong)) from wrong
        table.partitions = {key: widened(rows, arrow_schema(fields)) for key, rows in table.partitions.items()}
        return fields

    def _routines_list(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        self._dataset(path["datasetId"])
        return {}  # as a dataset without functions has it

    def _tables_delete(self, path: PathParts, request: RecordedRequest) -> None:
        self._table(path["datasetId"], path["tableId"])
        base, _, decorator = path["tableId"].partition("$")
        if decorator:
            self.tables[path["datasetId"], base].partitions.pop(decorator, None)
        else:
            del self.tables[path["datasetId"], base]

    def _tabledata_list(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        table = self._table(path["datasetId"], path["tableId"])
        if table.resource["type"] != "TABLE":
            raise ApiError(400, "invalid", f"Cannot list a table of type {table.resource['type']}.")
        names = request.query.get("selectedFields")
        fields = [field for field in table.fields if names is None or field["name"] in names.split(",")]
        return self._page(table.rows().select([field["name"] for field in fields]), fields, request.query)

    @staticmethod
    def _page(rows: pa.Table, fields: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
        """One page of rows as the API answers it, with the token of the next."""
        start = int(query.get("pageToken") or query.get("startIndex") or 0)
        end = start + min(int(query.get("maxResults") or MAX_PAGE), MAX_PAGE)
        integers = query.get("formatOptions.useInt64Timestamp", "").lower() == "true"
        page: dict[str, Any] = {"totalRows": str(rows.num_rows)}
        if query.get("maxResults") == "0":
            return page
        page["rows"] = encoded_rows(rows.slice(start, end - start), fields, integer_timestamps=integers)
        return page | ({"pageToken": str(end)} if end < rows.num_rows else {})

    def _queried_table(self, dataset: str, name: str) -> Table:
        """What a query reads under a name: a table, an external one's files, or the list of partitions."""
        if name == PARTITIONS_VIEW:
            return self._partitions_view(dataset)
        if name == TABLES_VIEW:
            return self._tables_view(dataset)
        table = self._table(dataset, name)
        is_external = table.resource["type"] == "EXTERNAL"
        return read_external(table, self._read, self._find) if is_external else table

    def _partitions_view(self, dataset: str) -> Table:
        parts = [
            (self.project, dataset, name, key, rows.num_rows, rows.nbytes)
            for (where, name), table in self.tables.items()
            for key, rows in table.partitions.items()
            if where == dataset
        ]
        return self._information(dataset, "PARTITIONS", PARTITIONS_VIEW_FIELDS, parts)

    def _tables_view(self, dataset: str) -> Table:
        kinds = {"TABLE": "BASE TABLE"}
        inside = [
            (self.project, dataset, name, kinds.get(table.resource["type"], table.resource["type"]))
            for (where, name), table in self.tables.items()
            if where == dataset
        ]
        return self._information(dataset, "TABLES", TABLES_VIEW_FIELDS, inside)

    def _information(self, dataset: str, name: str, fields: list[dict[str, Any]], rows: list[tuple[Any, ...]]) -> Table:
        fields = check_fields(fields)
        columns = [[row[index] for row in rows] for index in range(len(fields))]
        resource = self._table_resource(dataset, name, {"schema": {"fields": fields}})
        return Table(resource, {"": pa.table(columns, schema=arrow_schema(fields))})


def _merged(current: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """A resource after a patch: null removes, objects are merged, all else is replaced."""
    result = dict(current)
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict) and isinstance(result.get(name), dict) and name != "schema":
            result[name] = _merged(result[name], value)
        else:
            result[name] = value
    return result
