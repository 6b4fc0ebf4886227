"""A query by DuckDB as Arrow batches, in a session that reads what it was given, and can do nothing else."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from flows.load.duckdb.file import MEMORY_LIMIT, Settings
from flows.load.duckdb.tables import literal
from flows.load.query import ONE_SELECT, streamed, without_semicolon
from flows.tlc.errors import ParameterError, TargetError, TargetUnavailable

# A name that is no table is not looked up among the variables of this process.
QUERY_SETTINGS: Settings = {"memory_limit": MEMORY_LIMIT, "python_enable_replacements": False}
_BATCH_ROWS = 1 << 16


@contextmanager
def open_query(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    place: str,
    readable: Sequence[str] = (),
    cause: Callable[[], Exception | None] = lambda: None,
) -> Iterator[pa.RecordBatchReader]:
    """The rows of one SELECT, batch by batch, as long as the context is open; ``place`` says where, for errors.

    ``readable`` are the only folders and file systems that it may read. What it may read it could also write, but for
    this: no other statement than a SELECT is run. ``cause`` is what went wrong in a file system of this process, of
    which DuckDB passes on but the text. Raises ParameterError, TargetError with what DuckDB says, TargetUnavailable.
    """

    @contextmanager
    def errors() -> Iterator[None]:
        with query_errors(place, cause):
            yield

    with errors():
        statement = one_select(sql)
        _lock_down(connection, readable)
        rows = connection.sql(statement).to_arrow_reader(_BATCH_ROWS)
    try:
        yield streamed(rows.schema, rows, errors)
    finally:
        rows.close()


@contextmanager
def query_errors(place: str, cause: Callable[[], Exception | None] = lambda: None) -> Iterator[None]:
    """Raise this project's errors for DuckDB's. ``cause`` comes out instead if there is one."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:  # the last two are what its stream of rows raises
        if (why := cause()) is not None:
            raise why from error
        said = _said(error)
        if isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException):
            raise TargetUnavailable(f"{place}: {said}. Look at the disk's space, and run again.") from error
        raise TargetError(f"{place}: {said}.") from error


def one_select(sql: str) -> str:
    """The statement alone. Raises ParameterError if it is no SELECT, or not one, and what DuckDB raises."""
    statement = without_semicolon(sql)
    found = duckdb.extract_statements(statement)
    if [one.type for one in found] != [duckdb.StatementType.SELECT]:
        kinds = " and ".join(one.type.name.replace("_", " ") for one in found) or "no statement"
        raise ParameterError(f"this is {kinds}, and {ONE_SELECT}.")
    return statement


def _lock_down(connection: duckdb.DuckDBPyConnection, readable: Sequence[str]) -> None:
    # Of a path with a bracket, DuckDB compares the pattern that stands for it, too.
    folders = ", ".join(literal(path) for path in dict.fromkeys([*readable, *map(glob.escape, readable)]))
    connection.execute(f"set allowed_directories = [{folders}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _said(error: Exception) -> str:
    """What DuckDB says, without the lines that point into the statement."""
    text = str(error).strip().split("\n\nLINE ")[0]
    return " ".join(text.split()).rstrip(".")
