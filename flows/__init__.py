"""Prefect flows that keep New York's taxi trips complete and correct in Postgres, a Parquet lake and BigQuery."""

from flows.api_to_postgres import api_to_postgres
from flows.green_taxi_etl import green_taxi_etl

__all__ = ["api_to_postgres", "green_taxi_etl"]
