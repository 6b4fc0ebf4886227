"""What DuckDB raises, as this project's errors with the next step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from flows.tlc.errors import TargetError, TargetMismatch, TargetUnavailable


@contextmanager
def duckdb_errors(path: Path) -> Iterator[None]:
    """Raise TargetError or its kin for what DuckDB says."""
    try:
        yield
    except duckdb.ConstraintException as error:
        raise TargetMismatch(
            f"{path}: {_first_line(error)}. The month is as it was; write it anew in the lake."
        ) from error
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise TargetUnavailable(
            f"{path}: {_first_line(error)}. The month is as it was; look at the disk's space, and run again."
        ) from error
    except duckdb.Error as error:
        raise TargetError(f"{path}: {_first_line(error)}. The month is as it was.") from error


def _first_line(error: duckdb.Error) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
