"""Prefect flows that keep New York's taxi trips complete and correct in Postgres, a Parquet lake and BigQuery."""
