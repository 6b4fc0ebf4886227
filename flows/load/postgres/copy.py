"""Stream record batches into a Postgres table by binary COPY, encoding the next batch while the server takes one."""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

import pgpq
import psycopg2.extensions
import pyarrow as pa
from pgpq.encoders import StringEncoderBuilder
from psycopg2 import sql

# Encoded batches that may wait for the server: enough that neither side waits for the other, about 3 MB each.
QUEUE_BATCHES = 4
# How long the server may take to end a COPY that is broken off: it answers at once unless it hangs.
BREAK_OFF_SECONDS = 10.0


def copy_batches(
    cursor: psycopg2.extensions.cursor,
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
    text columns that are jsonb in the table. ``on_piece`` is called before each piece that the server is given, and
    twice a second while it takes none. An error in ``batches`` or ``on_piece`` comes out as it was raised, and leaves
    the transaction to be rolled back.
    """
    statement = sql.SQL("copy {} ({}) from stdin with (format binary{})").format(
        table,
        sql.SQL(", ").join(sql.Identifier(name) for name in schema.names),
        sql.SQL(", freeze") if freeze else sql.SQL(""),
    )
    with _Copy(cursor, statement) as copy:
        for piece in _encode(schema, batches, frozenset(jsonb)):
            if piece:  # the encoder keeps some batches for the next piece; an empty one would end the COPY
                copy.send(piece, on_piece)
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


class _Copy:
    """A COPY under way in a thread, so that reading, conforming and encoding overlap with the server's work.

    The thread has the COPY and the caller the encoding, not the other way round: Ctrl-C, SIGTERM and Prefect's
    timeouts are raised in the main thread, and raised inside ``read`` psycopg2 would report them as Postgres' failure.
    """

    def __init__(self, cursor: psycopg2.extensions.cursor, statement: sql.Composed):
        self._cursor = cursor
        self._statement = statement
        self._queue: queue.Queue[bytes | None] = queue.Queue(QUEUE_BATCHES)
        self._broken_off = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="copy", daemon=True)

    def __enter__(self) -> _Copy:
        self._thread.start()
        return self

    def send(self, piece: bytes | None, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Give the server a piece, or None for the end; raises what the COPY failed with, or ``meanwhile`` raises."""
        while True:
            meanwhile()
            if self._error is not None:
                raise self._error
            try:
                return self._queue.put(piece, timeout=0.5)
            except queue.Full:
                continue

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.send(None)
                self._thread.join()
        finally:
            self._break_off()
        if kind is None and self._error is not None:
            raise self._error

    def _break_off(self) -> None:
        """End the COPY unless it has ended. A server that takes nothing and answers nothing is hung up on."""
        self._broken_off = True
        deadline = time.monotonic() + BREAK_OFF_SECONDS
        while self._thread.is_alive():
            with suppress(queue.Full):
                self._queue.put_nowait(None)  # in case it waits for a piece
            self._thread.join(0.05)
            if time.monotonic() > deadline:
                self._hang_up()

    def _hang_up(self) -> None:
        with suppress(OSError, psycopg2.Error), socket.socket(fileno=os.dup(self._cursor.connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    def read(self, _size: int = -1) -> bytes:
        """The next piece, whatever its size (``copy_expert`` takes any); empty at the end."""
        piece = None if self._broken_off else self._queue.get()
        if self._broken_off:
            raise InterruptedError("the load broke off")  # the server takes nothing
        return piece or b""

    def _run(self) -> None:
        try:
            self._cursor.copy_expert(self._statement, self)  # type: ignore[arg-type] # readline is never called
        except Exception as error:  # raised in the caller's thread
            self._error = error
