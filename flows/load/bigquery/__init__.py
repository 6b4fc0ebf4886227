"""BigQuery: one load job a month."""

from flows.load.bigquery.errors import bigquery_errors
from flows.load.bigquery.month import BigQueryWarehouse

__all__ = ["BigQueryWarehouse", "bigquery_errors"]
