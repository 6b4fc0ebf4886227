"""Rejected rows on disk until the trips are in: their number is not bounded, the memory is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from flows.transform.rejected import REJECTED_SCHEMA


@dataclass
class RejectedSpill:
    """A temporary file of rejected rows: ``write`` while the trips stream by, ``batches`` afterwards."""

    _file: Any
    _writer: Any
    rows: int = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Add a batch of ``REJECTED_SCHEMA``."""
        self._writer.write_batch(batch)
        self.rows += batch.num_rows

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All that was written; nothing can be written after."""
        self._writer.close()
        self._file.seek(0)
        with pa.ipc.open_stream(self._file) as reader:
            yield from reader


@contextmanager
def rejected_spill() -> Iterator[RejectedSpill]:
    """An empty spill in the system's folder for temporary files; gone afterwards, and after a kill."""
    with tempfile.TemporaryFile(prefix="rejected-") as file:
        yield RejectedSpill(file, pa.ipc.new_stream(file, REJECTED_SCHEMA))
