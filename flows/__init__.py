"""Prefect flows that keep New York's taxi trips complete and correct in Postgres, a Parquet lake and BigQuery."""

from flows.api_to_gcs import api_to_gcs
from flows.api_to_postgres import api_to_postgres
from flows.backfill import backfill
from flows.gcs_to_bigquery import gcs_to_bigquery
from flows.green_taxi_etl import green_taxi_etl
from flows.load_month import load_month
from flows.reconcile import reconcile
from flows.sync_new_months import sync_new_months

__all__ = [
    "api_to_gcs",
    "api_to_postgres",
    "backfill",
    "gcs_to_bigquery",
    "green_taxi_etl",
    "load_month",
    "reconcile",
    "sync_new_months",
]
