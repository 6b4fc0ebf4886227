"""A query of BigQuery as Arrow batches. A dry run, which is free, says before what it would do and read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from google.api_core import exceptions
from google.cloud import bigquery

from flows.load.bigquery.errors import bigquery_errors, reasons
from flows.load.bigquery.jobs import JobTimeouts
from flows.load.query import ONE_SELECT, streamed, without_semicolon
from flows.tlc.errors import ParameterError, TargetError

_LABELS = {"purpose": "tlc-query"}
_MIB = 1024**2
# The reason of a job that would be billed more than it may: BigQuery counts no less than 10 MiB a table.
_TOO_MUCH = "bytesBilledLimitExceeded"


@contextmanager
def open_query(
    client: bigquery.Client, sql: str, location: str | None, max_bytes: int, timeouts: JobTimeouts
) -> Iterator[pa.RecordBatchReader]:
    """The rows of one SELECT, page by page, as long as the context is open; ``max_bytes`` is what it may be billed.

    Raises ParameterError for what is no SELECT or reads more, TargetError with what BigQuery says, TargetUnavailable.
    """
    place = f"BigQuery {client.project}"

    @contextmanager
    def errors() -> Iterator[None]:
        with bigquery_errors(place), _refused_queries(place, max_bytes):
            yield

    statement = without_semicolon(sql)
    with errors():
        _check(client, statement, location, max_bytes, timeouts)
        config = bigquery.QueryJobConfig(maximum_bytes_billed=max_bytes, labels=_LABELS)
        job = client.query(statement, job_config=config, location=location, **timeouts.calls)
        pages = job.result(**timeouts.calls)
        batches = pages.to_arrow_iterable()
        first = next(batches, None)
    schema = first.schema if first is not None else pa.schema([])
    yield streamed(schema, _all_of(first, batches), errors)


def _all_of(first: pa.RecordBatch | None, others: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    if first is not None:
        yield first
    yield from others


def _check(
    client: bigquery.Client, statement: str, location: str | None, max_bytes: int, timeouts: JobTimeouts
) -> None:
    config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False, labels=_LABELS)
    plan = client.query(statement, job_config=config, location=location, **timeouts.calls)
    if plan.statement_type != "SELECT":
        raise ParameterError(f"this is {plan.statement_type}, and {ONE_SELECT}.")
    if plan.total_bytes_processed > max_bytes:
        raise ParameterError(
            f"the query reads {_mib(plan.total_bytes_processed)} of BigQuery, and may read {_mib(max_bytes)}. Select "
            "fewer columns and a source_month, or allow it with --max-gib (Google bills what is read)."
        )


@contextmanager
def _refused_queries(place: str, max_bytes: int) -> Iterator[None]:
    try:
        yield
    except exceptions.GoogleAPICallError as error:
        said = _said(error)
        if _TOO_MUCH in reasons(error):
            raise ParameterError(
                f"BigQuery bills more for the query than the {_mib(max_bytes)} allowed ({said}). It counts 10 MiB or "
                "more a table; allow it with --max-gib."
            ) from error
        if isinstance(error, exceptions.BadRequest | exceptions.NotFound):
            raise TargetError(f"{place}: {said}.") from error
        raise


def _said(error: Any) -> str:
    return " ".join(str(error.message).split()).rstrip(".")


def _mib(count: int) -> str:
    return f"{count / _MIB:,.0f} MiB"
