"""The dataset and tables in BigQuery: made from the schema files, widened by new columns, refused if they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.api_core import exceptions
from google.cloud import bigquery

from flows.load.bigquery.jobs import JobTimeouts
from flows.load.ledger import LEDGER, LEDGER_COMMENT, LEDGER_TABLE
from flows.tlc.codes import CodeTable
from flows.tlc.errors import TargetBusy, TargetMismatch
from flows.tlc.locations import trips_table
from flows.tlc.schema import Schema, bigquery_field, bigquery_fields

# Google's own default for a dataset made without one; written here, so that it is seen.
DEFAULT_LOCATION = "US"
_PATCH_TRIES = 5
_TABLES_AT_ONCE = 1000
_CANONICAL_TYPES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}


@dataclass(frozen=True)
class BigQueryTables:
    """The tables of one dataset."""

    client: bigquery.Client
    dataset_id: str
    timeouts: JobTimeouts

    def find_location(self, wanted: str | None) -> str | None:
        """Where the dataset is; None if there is none. Raises TargetMismatch if it is elsewhere than ``wanted``."""
        try:
            dataset = self.client.get_dataset(self._dataset, **self.timeouts.calls)
        except exceptions.NotFound:
            return None
        location = str(dataset.location)
        if wanted and wanted.lower() != location.lower():
            raise TargetMismatch(
                f"the BigQuery dataset {self._dataset} is in {location}, but TLC_WAREHOUSE_URL says location={wanted}, "
                f"and a dataset cannot be moved. Write location={location} there, or the name of another dataset, and "
                "run 'python -m blocks.register'."
            )
        return location

    def make_dataset(self, wanted: str | None) -> str:
        """Make the dataset if there is none; returns its location."""
        dataset = bigquery.Dataset(self._dataset)
        dataset.location = wanted or DEFAULT_LOCATION
        dataset.description = "New York's taxi trips, as TLC publishes them."
        self.client.create_dataset(dataset, exists_ok=True, **self.timeouts.calls)
        return self.find_location(wanted) or str(dataset.location)

    def ensure_trips(self, schema: Schema) -> bigquery.Table:
        """The dataset's table with all columns of ``schema``: partitioned by file month, clustered by zone and time.

        A query over some months reads only these, one over some zones or hours of them only a part.
        """
        table = bigquery.Table(self.address(trips_table(schema.dataset)), schema=_fields(bigquery_fields(schema)))
        table.time_partitioning = bigquery.TimePartitioning(bigquery.TimePartitioningType.MONTH, field="source_month")
        clustering = (schema.role("pickup_zone"), schema.role("pickup"))
        table.clustering_fields = [column.name for column in clustering if column]
        table.description = f"TLC's {schema.dataset} trip records, a partition for each file, replaced as a whole."
        found = self._ensure(table)
        _check_partitioning(found)
        return found

    def ensure_ledger(self) -> bigquery.Table:
        """The ledger's table."""
        columns = [
            {
                "name": column.name,
                "type": column.bigquery,
                "mode": "REQUIRED" if column.required else "NULLABLE",
                "description": column.description,
            }
            for column in LEDGER
        ]
        table = bigquery.Table(self.address(LEDGER_TABLE), schema=_fields(columns))
        table.clustering_fields = ["dataset", "month"]
        table.description = LEDGER_COMMENT
        return self._ensure(table)

    def ensure_codes(self, table: CodeTable) -> bigquery.Table:
        """The table of names."""
        wanted = bigquery.Table(self.address(table.name), schema=_fields([bigquery_field(c) for c in table.columns]))
        wanted.description = table.description
        return self._ensure(wanted)

    def read_labels(self, name: str) -> dict[str, str]:
        """The label ``name`` of each table, by table; empty if it has none. One request for a thousand of them."""
        listed = self.client.list_tables(self._dataset, page_size=_TABLES_AT_ONCE, **self.timeouts.calls)
        return {item.table_id: item.labels.get(name, "") for item in listed}

    def address(self, table: str) -> str:
        """``project.dataset.table``."""
        return f"{self._dataset}.{table}"

    @property
    def _dataset(self) -> str:
        return f"{self.client.project}.{self.dataset_id}"

    def _ensure(self, wanted: bigquery.Table) -> bigquery.Table:
        """The table as it is, after making or widening it. Loads of other months may do the same at this moment."""
        for _ in range(_PATCH_TRIES):
            try:
                found = self.client.get_table(wanted.reference, **self.timeouts.calls)
            except exceptions.NotFound:
                found = self.client.create_table(wanted, exists_ok=True, **self.timeouts.calls)
            fields = merged_fields(found, wanted.schema)
            if [field.to_api_repr() for field in fields] == [field.to_api_repr() for field in found.schema]:
                return found
            found.schema = fields
            try:
                return self.client.update_table(found, ["schema"], **self.timeouts.calls)
            except exceptions.PreconditionFailed:
                continue  # another load was first: look again
        raise TargetBusy(
            f"{wanted} was changed by others {_PATCH_TRIES} times while its columns were added. Run again."
        )


def merged_fields(table: Any, wanted: Sequence[bigquery.SchemaField]) -> list[bigquery.SchemaField]:
    """The table's columns after a change to ``wanted``: what it has stays, new ones are added at the end.

    BigQuery adds only columns that may be null, and lets REQUIRED become NULLABLE, never back. Raises TargetMismatch
    if a column has another type.
    """
    missing = {field.name: field for field in wanted}
    fields = []
    for old in table.schema:
        new = missing.pop(old.name, None)
        if new is None:  # a column that an older or newer version of this project loads
            fields.append(_with(old, mode="NULLABLE") if old.mode == "REQUIRED" else old)
            continue
        if _canonical(new.field_type) != _canonical(old.field_type):
            raise TargetMismatch(
                f"{table}.{old.name} is {old.field_type} in BigQuery, but {new.field_type} is declared. BigQuery does "
                f"not change it in place: rename the table (ALTER TABLE `{table}` RENAME TO …), load its months anew, "
                "and drop the old one."
            )
        mode = "NULLABLE" if "NULLABLE" in (old.mode, new.mode) else old.mode
        fields.append(_with(old, mode=mode, description=new.description or ""))
    return fields + [_with(new, mode="NULLABLE") for new in missing.values()]


def _with(field: bigquery.SchemaField, **changes: str) -> bigquery.SchemaField:
    """The column with these changes and all else that someone may have set on it, such as policy tags."""
    changed = {name: value for name, value in changes.items() if value}
    return bigquery.SchemaField.from_api_repr(field.to_api_repr() | changed)


def _fields(columns: Sequence[dict[str, str]]) -> list[bigquery.SchemaField]:
    return [bigquery.SchemaField.from_api_repr(column) for column in columns]


def _canonical(kind: str) -> str:
    return _CANONICAL_TYPES.get(kind, kind)


def _check_partitioning(table: Any) -> None:
    partitioning = table.time_partitioning
    if partitioning is None or (partitioning.type_, partitioning.field) != ("MONTH", "source_month"):
        raise TargetMismatch(
            f"{table} is not partitioned by month on source_month, and BigQuery cannot change that in place. Rename or "
            "drop it: the next load makes it anew, and a backfill with the target bigquery fills it from the lake."
        )
    if partitioning.expiration_ms:
        days = partitioning.expiration_ms / 86_400_000
        raise TargetMismatch(
            f"partitions of {table} expire {days:.0f} days after their month, so a month loaded now would vanish at "
            f"once. Run: ALTER TABLE `{table}` SET OPTIONS (partition_expiration_days = NULL). In the BigQuery sandbox "
            "that needs billing to be enabled."
        )
