"""A query of a target that the blocks name: its rows as Arrow batches, in a session that only reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from blocks.names import POSTGRES
from blocks.register import load_block, load_duckdb_file
from flows.load.query import QueryLimits, export_select
from flows.tasks.connect import lake_folder, open_lake, open_warehouse, work_dir
from flows.tlc.dataset import Dataset
from flows.tlc.errors import ParameterError
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.month import Month
from flows.tlc.report import QueryTarget
from flows.tlc.schema import schema_of

if TYPE_CHECKING:
    import pyarrow as pa


@contextmanager
def open_query(
    target: QueryTarget,
    sql: str,
    *,
    max_bytes: int | None = None,
    in_range: Callable[[Month], bool] = lambda _month: True,
) -> Iterator[pa.RecordBatchReader]:
    """The rows of one SELECT in the target's SQL, batch by batch, as long as the context is open.

    ``max_bytes`` is what BigQuery may bill for it, instead of the block's limit; ``in_range`` says which months of the
    lake it reads. Raises ParameterError, TargetError and its kin.
    """
    with _OPEN[target](sql, max_bytes, in_range) as rows:
        yield rows


@contextmanager
def _of_postgres(sql: str, _max_bytes: int | None, _in_range: Any) -> Iterator[pa.RecordBatchReader]:
    from prefect_sqlalchemy import SqlAlchemyConnector  # noqa: PLC0415 - SQLAlchemy takes 0.2 s

    from blocks.postgres import read_only_uri  # noqa: PLC0415
    from flows.load.postgres.query import open_query as open_postgres  # noqa: PLC0415 - only if it is the target

    with open_postgres(read_only_uri(load_block(SqlAlchemyConnector, POSTGRES)), sql) as rows:
        yield rows


@contextmanager
def _of_warehouse(sql: str, max_bytes: int | None, _in_range: Any) -> Iterator[pa.RecordBatchReader]:
    folder = lake_folder() if load_duckdb_file() else None
    with open_warehouse().query(sql, QueryLimits(max_bytes, folder)) as rows:
        yield rows


@contextmanager
def _of_lake(sql: str, _max_bytes: int | None, in_range: Callable[[Month], bool]) -> Iterator[pa.RecordBatchReader]:
    from flows.load.duckdb.lake_query import query_lake  # noqa: PLC0415 - only if it is the target

    with query_lake(open_lake(), sql, work_dir(), in_range) as rows:
        yield rows


_OPEN = {"postgres": _of_postgres, "warehouse": _of_warehouse, "lake": _of_lake}


def export_query(
    target: QueryTarget,
    dataset: Dataset,
    columns: list[str],
    first: Month | None,
    last: Month | None,
    where: str | None,
) -> str:
    """The query of an export, in the target's SQL; no columns are all of them.

    Raises ParameterError that names the schema's columns if one is none of them.
    """
    known = schema_of(dataset).names
    if unknown := [name for name in columns if name not in known]:
        raise ParameterError(
            f"{dataset} trips have no column {', '.join(map(repr, unknown))}: choose from {', '.join(known)}."
        )
    table = open_warehouse().address(dataset) if target == "warehouse" else f"{SCHEMA}.{trips_table(dataset)}"
    return export_select(table, columns or known, first, last, where)
