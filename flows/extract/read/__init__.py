"""From a file on disk to record batches."""

from __future__ import annotations

from flows.extract.read.parquet_bounds import MOST_ROWS
from flows.extract.read.trip_file import RaggedLine, TripFile, open_trip_file

__all__ = ["MOST_ROWS", "RaggedLine", "TripFile", "open_trip_file"]
