"""Rejected rows on disk until the trips are in: their number is not bounded, the memory is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from flows.load.work_disk import work_disk_errors
from flows.transform.rejected import REJECTED_SCHEMA


@dataclass
class RejectedSpill:
    """A temporary file of rejected rows in ``folder``: ``write`` while the trips stream by, ``batches`` afterwards."""

    folder: Path
    _file: Any
    _writer: Any
    rows: int = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Add a batch of ``REJECTED_SCHEMA``. Raises TargetUnavailable if the disk fails."""
        with work_disk_errors(self.folder):
            self._writer.write_batch(batch)
        self.rows += batch.num_rows

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All that was written; nothing can be written after."""
        with work_disk_errors(self.folder):
            self._writer.close()
            self._file.seek(0)
        with pa.ipc.open_stream(self._file) as reader:
            yield from reader


@contextmanager
def rejected_spill(folder: Path | None = None) -> Iterator[RejectedSpill]:
    """An empty spill in ``folder``, by default the system's for temporary files; gone afterwards, and after a kill.

    It has no name there, so a kill leaves nothing to clear.
    """
    place = folder or Path(tempfile.gettempdir())
    with work_disk_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        file = tempfile.TemporaryFile(prefix="rejected-", dir=place)  # noqa: SIM115 - closed below
    try:
        yield RejectedSpill(place, file, pa.ipc.new_stream(file, REJECTED_SCHEMA))
    finally:
        with suppress(OSError):  # what a full disk did not take is not needed any more
            file.close()
