"""Postgres: one partition a month."""

from flows.load.postgres.errors import postgres_errors
from flows.load.postgres.month import current_load, current_loads, load_month
from flows.load.postgres.tables import ensure_ledger
from flows.load.postgres.totals import sum_months

__all__ = ["current_load", "current_loads", "ensure_ledger", "load_month", "postgres_errors", "sum_months"]
