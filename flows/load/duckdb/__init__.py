"""A DuckDB file as the warehouse."""

from flows.load.duckdb.month import DuckDbWarehouse

__all__ = ["DuckDbWarehouse"]
