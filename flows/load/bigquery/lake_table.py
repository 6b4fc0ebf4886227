"""An external table in BigQuery over the lake's day folders: no load, no storage cost, every query reads the bucket."""

from __future__ import annotations

from google.api_core import exceptions
from google.cloud import bigquery

from flows.load.bigquery.errors import bigquery_errors
from flows.load.bigquery.tables import BigQueryTables
from flows.load.warehouse.lake_table import DAY_KEY, days_url, lake_table, no_days
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetMismatch
from flows.tlc.schema import bigquery_fields, schema_of


def create_lake_table(
    tables: BigQueryTables, dataset: Dataset, lake_url: str, location: str | None, *, require_filter: bool = False
) -> str:
    """Make ``{dataset}_trips_lake`` over the lake's day folders, in place of an older one; returns its address.

    ``require_filter``: refuse queries that do not say which pickup dates they read. Raises TargetMismatch if the
    lake has no day folders.
    """
    place = f"BigQuery {tables.client.project}.{tables.dataset_id}"
    with bigquery_errors(place):
        if tables.find_location(location) is None:
            tables.make_dataset(location)
        table = bigquery.Table(tables.address(lake_table(dataset)))
        table.external_data_configuration = _configuration(dataset, lake_url, require_filter=require_filter)
        table.description = f"TLC's {dataset} trip records as they lie in the lake, by pickup date. Loaded nowhere."
        try:
            _remove(tables, table)
            tables.client.create_table(table, **tables.timeouts.calls)
        except (exceptions.NotFound, exceptions.BadRequest) as error:
            raise TargetMismatch(f"{no_days(lake_url, dataset)} BigQuery says: {error.message}") from error
    return tables.address(lake_table(dataset))


def _remove(tables: BigQueryTables, table: bigquery.Table) -> None:
    """Remove an external table of that name: its columns cannot be changed in place, and it holds no rows to lose."""
    try:
        found = tables.client.get_table(table.reference, **tables.timeouts.calls)
    except exceptions.NotFound:
        return
    if found.table_type != "EXTERNAL":
        raise TargetMismatch(
            f"{table} is a {found.table_type} with rows of its own, not made by this: rename it first."
        )
    tables.client.delete_table(table.reference, **tables.timeouts.calls)


def _configuration(dataset: Dataset, lake_url: str, *, require_filter: bool) -> bigquery.ExternalConfig:
    """Columns are declared, for the files' own would be those of one file; none can be REQUIRED in such a table."""
    config = bigquery.ExternalConfig(bigquery.ExternalSourceFormat.PARQUET)
    config.source_uris = [f"{days_url(lake_url, dataset)}/*"]
    fields = [field | {"mode": "NULLABLE"} for field in bigquery_fields(schema_of(dataset))]
    config.schema = [bigquery.SchemaField.from_api_repr(field) for field in fields]
    config.ignore_unknown_values = True
    hive = bigquery.HivePartitioningOptions()
    hive.mode = "CUSTOM"
    hive.source_uri_prefix = f"{days_url(lake_url, dataset)}/{{{DAY_KEY}:DATE}}"
    hive.require_partition_filter = require_filter
    config.hive_partitioning = hive
    return config
