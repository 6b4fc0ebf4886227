"""From a file on disk to record batches."""

from __future__ import annotations

from flows.extract.read.trip_file import RaggedLine, TripFile, open_trip_file

__all__ = ["RaggedLine", "TripFile", "open_trip_file"]
