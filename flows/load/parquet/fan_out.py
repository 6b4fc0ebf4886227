"""Several writers of the same batches at once, each in a thread: pyarrow encodes without the interpreter's lock."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable
from typing import Any, Protocol

import pyarrow as pa

# Batches of 16,384 rows that may wait for one writer: about 10 MB.
_WAITING = 4


class Writer(Protocol):
    """What a thread drives."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Take a batch."""
        ...

    def abandon(self) -> None:
        """Give up: nothing more will come."""
        ...


def write_all(batches: Iterable[pa.RecordBatch], writers: list[Any]) -> None:
    """Give each batch to each writer, every writer in a thread of its own; returns when all have taken all.

    Whatever the batches or a writer raise is raised here, after every writer has been told to abandon.
    """
    threads = [_WriterThread(writer) for writer in writers]
    try:
        for batch in batches:
            for thread in threads:
                thread.put(batch)
        for thread in threads:
            thread.end()
    except BaseException:
        for thread in threads:
            thread.stop()
        raise


class _WriterThread:
    def __init__(self, writer: Writer):
        self._writer = writer
        self._queue: queue.Queue[pa.RecordBatch | None] = queue.Queue(_WAITING)
        self._error: BaseException | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=type(writer).__name__, daemon=True)
        self._thread.start()

    def put(self, batch: pa.RecordBatch | None) -> None:
        """Hand over a batch (None: the end); raises what the writer raised."""
        self._queue.put(batch)
        self._raise()

    def end(self) -> None:
        """Wait until the writer has taken everything."""
        self.put(None)
        self._thread.join()
        self._raise()

    def stop(self) -> None:
        """Have the writer abandon what it has."""
        self._stopping = True
        self._queue.put(None)
        self._thread.join()
        self._writer.abandon()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (batch := self._queue.get()) is not None:
            if self._stopping or self._error is not None:
                continue  # keep taking, so that whoever puts is not held up
            try:
                self._writer.add(batch)
            except BaseException as error:
                self._error = error
