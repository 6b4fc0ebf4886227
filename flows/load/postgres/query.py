"""A query of Postgres as Arrow batches: libpq's binary COPY, decoded by the ADBC driver, without a row in Python.

Nothing is written: the session's transactions are read-only, and what is run stands in parentheses, where no other
statement than a SELECT can be. Without them a superuser's ``copy … to program`` would run, which a read-only
transaction allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import adbc_driver_manager
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import dbapi

from flows.load.query import ONE_SELECT, streamed, without_semicolon
from flows.tlc.errors import TargetError, TargetUnavailable

# Bytes of a batch that the driver aims at: 130,000 yellow rows of three columns.
_BATCH_BYTES = 4 << 20
_TYPE = b"ADBC:postgresql:typname"
# What Postgres itself says in the driver's text; the lines after it point into the statement.
_SAID = re.compile(r"(?:ERROR|FATAL):\s+(.*)")
_HINT = re.compile(r"^HINT:\s+(.*)", re.MULTILINE)
_SYNTAX_ERROR, _NOT_AUTHORIZED, _READ_ONLY = "42601", "28", "25006"
# SQLSTATE's classes of what passes: no connection, no resources, the server's operator or its system.
_TRANSIENT = ("08", "53", "57P", "58")


@contextmanager
def open_query(uri: str, sql: str) -> Iterator[pa.RecordBatchReader]:
    """The rows of one SELECT, batch by batch, as long as the context is open.

    ``uri`` is libpq's, of a session that only reads; it may hold a password, and no error shows it. Values of type
    numeric come as doubles. Raises ParameterError, TargetError with what Postgres says, or TargetUnavailable.
    """
    statement = f"(\n{without_semicolon(sql)}\n)"
    with ExitStack() as opened:
        with _errors():
            connection = opened.enter_context(dbapi.connect(uri))
            cursor = opened.enter_context(connection.cursor())
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)})
            cursor.execute(statement)
            rows = cursor.fetch_record_batch()
        schema = pa.schema([pa.field(column.name, _plain_type(column)) for column in rows.schema])
        yield streamed(schema, (_plain(batch, schema) for batch in rows), _errors)


def _plain_type(column: pa.Field) -> pa.DataType:
    """The type as every reader of Arrow knows it."""
    if (column.metadata or {}).get(_TYPE) == b"numeric":
        return pa.float64()
    if isinstance(column.type, pa.UuidType):
        return pa.string()
    return column.type.storage_type if isinstance(column.type, pa.BaseExtensionType) else column.type


def _plain(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = []
    for found, wanted in zip(batch.columns, schema, strict=True):
        stored = found.storage if isinstance(found, pa.ExtensionArray) else found
        if isinstance(found.type, pa.UuidType):
            stored = pa.array([value and str(value) for value in found.to_pylist()], pa.string())
        columns.append(stored if stored.type == wanted.type else pc.cast(stored, wanted.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except adbc_driver_manager.Error as error:
        raise _as_ours(error, error.sqlstate or "") from error
    except (pa.ArrowException, OSError) as error:  # of the driver's stream, once rows come
        raise _as_ours(error, "") from error


def _as_ours(error: Exception, sqlstate: str) -> TargetError:
    text = str(error)
    found, hint = _SAID.search(text), _HINT.search(text)
    said = (found[1] if found else " ".join(text.split())).strip().rstrip(".")
    if found is None or sqlstate.startswith((*_TRANSIENT, _NOT_AUTHORIZED)):
        return TargetUnavailable(
            f"Postgres did not answer the query ({said}). Check the block tlc-postgres and the server, and run again."
        )
    if sqlstate in (_SYNTAX_ERROR, _READ_ONLY):
        return TargetError(f"Postgres: {said} ({ONE_SELECT}).")
    return TargetError(f"Postgres: {said}.{f' {hint[1]}' if hint else ''}")
