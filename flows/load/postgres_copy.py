"""Stream record batches into a Postgres table by binary COPY, encoding the next batch while the server takes one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pgpq
import pyarrow as pa
from pgpq.encoders import StringEncoderBuilder
from psycopg2 import sql

# Encoded batches that may wait for the server: enough that neither side waits for the other, about 3 MB each.
QUEUE_BATCHES = 4


def copy_batches(
    cursor: Any,
    table: sql.Composable,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    *,
    freeze: bool = False,
    jsonb: Iterable[str] = (),
    on_piece: Callable[[], None] = lambda: None,
) -> int:
    """Append ``batches`` of ``schema`` to ``table``, matching columns by name; returns the number of rows.

    ``freeze`` needs a table that the transaction itself made, and spares its rows the later vacuum. ``jsonb`` names
    text columns that are jsonb in the table. ``on_piece`` is called, in the caller's thread, before each piece that the
    server is given. An error in ``batches`` leaves the transaction to be rolled back, and
    comes out as it was raised.
    """
    statement = sql.SQL("copy {} ({}) from stdin with (format binary{})").format(
        table,
        sql.SQL(", ").join(sql.Identifier(name) for name in schema.names),
        sql.SQL(", freeze") if freeze else sql.SQL(""),
    )
    with _EncodedBatches(_encode(schema, batches, frozenset(jsonb)), on_piece) as encoded:
        try:
            cursor.copy_expert(statement, encoded)
        except Exception:
            encoded.raise_own_error()
            raise
        encoded.raise_own_error()
    return int(cursor.rowcount)


def _encode(schema: pa.Schema, batches: Iterable[pa.RecordBatch], jsonb: frozenset[str]) -> Iterator[bytes]:
    encoders = {field.name: pgpq.ArrowToPostgresBinaryEncoder.infer_encoder(field) for field in schema}
    encoders |= {name: StringEncoderBuilder.new_with_output(schema.field(name), _jsonb()) for name in jsonb}
    encoder = pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(schema, encoders)
    yield encoder.write_header()
    for batch in batches:
        yield encoder.write_batch(batch)
    yield encoder.finish()


def _jsonb() -> Any:
    from pgpq.schema import Jsonb  # noqa: PLC0415 - the package does not load this module by itself

    return Jsonb()


class _EncodedBatches:
    """A file for ``copy_expert``, filled by a thread: reading, conforming and encoding overlap with the server's work.

    The encoder may give an empty piece (it keeps the bytes for the next), which ``copy_expert`` would take for the
    end of the data, silently: only ``None``, put last, is the end.
    """

    def __init__(self, pieces: Iterator[bytes], on_piece: Callable[[], None]):
        self._pieces = pieces
        self._on_piece = on_piece
        self._queue: queue.Queue[bytes | None] = queue.Queue(QUEUE_BATCHES)
        self._error: BaseException | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._fill, name="encode-batches", daemon=True)

    def __enter__(self) -> _EncodedBatches:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        while self._thread.is_alive():  # it may be waiting to put
            self._drain()
            self._thread.join(0.05)

    def read(self, _size: int = -1) -> bytes:
        """The next piece, whatever its size (``copy_expert`` takes any); empty at the end."""
        try:
            self._on_piece()
        except BaseException as error:
            self._error = error  # psycopg2 would wrap it as if Postgres had failed
            raise
        piece = self._queue.get()
        if self._error is not None:
            raise self._error  # ends the COPY with an error: the server takes nothing
        return piece if piece is not None else b""

    def raise_own_error(self) -> None:
        """Raise what stopped the pieces, if anything did, rather than what psycopg2 makes of it."""
        if self._error is not None:
            raise self._error

    def _fill(self) -> None:
        try:
            for piece in self._pieces:
                if self._stopped.is_set():
                    return
                if piece:
                    self._queue.put(piece)
        except BaseException as error:  # it is raised in the reading thread
            self._error = error
        self._queue.put(None)

    def _drain(self) -> None:
        while True:
            try:
                self._queue.get_nowait()
            except queue.Empty:
                return
