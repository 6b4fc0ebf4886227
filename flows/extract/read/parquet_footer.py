"""What a Parquet file at the source says of itself: rows, first and last pickup, from its last kilobytes."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from flows.extract.download.find import SourceFile
from flows.extract.download.request import open_response, read_body, refusal
from flows.extract.download.retry import Attempts, RetryPolicy, TryAgain
from flows.extract.download.verify import PARQUET_MAGIC
from flows.tlc.errors import NotTripFile, SourceChanged
from flows.tlc.schema import Schema
from flows.tlc.totals import Totals
from flows.tlc.urls import plain_url

# Bytes fetched first. The footers of TLC's files at hand are 4 to 11 kB, one for each row group and column; a longer
# one takes a second request.
FIRST_BYTES = 32 << 10
# Of a footer: row groups and columns by the hundred. It is held in memory.
_LONGEST = 64 << 20
# What follows the footer: its length in four bytes, and the magic word.
_TRAILER_BYTES = 8


def read_footer(
    client: httpx.Client, file: SourceFile, schema: Schema, *, retry_policy: RetryPolicy | None = None
) -> Totals | None:
    """Rows, first and last pickup by the file's own footer, whatever the rows hold; sums are None.

    Pickups are None if the file has no statistics of them, or has them as text or beyond the years 1 to 9999. None in
    all if the server tells no length, encodes the file or gives no ranges: then nothing is known without a download.
    Raises SourceUnavailable, SourceBlocked, SourceChanged if the source has another version than ``file`` by now,
    NotTripFile if it is no Parquet.
    """
    retry_policy = retry_policy or RetryPolicy()
    if file.length is None:
        return None
    tail = _fetch_tail(client, file, min(FIRST_BYTES, file.length), retry_policy)
    if tail is None:
        return None
    if file.encoding and not tail.endswith(PARQUET_MAGIC):  # the end of the encoded body
        return None
    needed = _footer_bytes(file, tail)
    if needed > len(tail):
        tail = _fetch_tail(client, file, needed, retry_policy)
        if tail is None:
            return None
    try:
        metadata = pq.read_metadata(pa.BufferReader(tail))
        first, last = _pickups(metadata, schema)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # a footer that nobody can parse, or its names
        raise _no_parquet(file, str(error).splitlines()[0]) from error
    return Totals(metadata.num_rows, first_pickup=first, last_pickup=last)


def _footer_bytes(file: SourceFile, tail: bytes) -> int:
    """How long the footer is with its trailer, in bytes."""
    if not tail.endswith(PARQUET_MAGIC):
        raise _no_parquet(file, f"it ends with {tail[-4:]!r}")
    needed = int.from_bytes(tail[-_TRAILER_BYTES:-4], "little") + _TRAILER_BYTES
    if needed > min(file.length or 0, _LONGEST):
        raise _no_parquet(file, f"its footer of {needed:,} bytes is longer than the file, or than any file's")
    return needed


def _no_parquet(file: SourceFile, why: str) -> NotTripFile:
    return NotTripFile(f"{file.where} is no Parquet file: {why}. Look at what the source delivers.", url=file.where)


def _fetch_tail(client: httpx.Client, file: SourceFile, length: int, retry_policy: RetryPolicy) -> bytes | None:
    """The file's last ``length`` bytes; None if the server gives no ranges of it."""
    attempts = Attempts(plain_url(file.url), retry_policy)
    while True:
        try:
            return _ask_for_tail(client, file, length, retry_policy)
        except TryAgain as failure:
            attempts.failed(failure)


def _ask_for_tail(client: httpx.Client, file: SourceFile, length: int, retry_policy: RetryPolicy) -> bytes | None:
    end = file.length or 0
    headers = {"Range": f"bytes={end - length}-{end - 1}"}
    with open_response(client, "GET", file.url, retry_policy, headers) as response:
        if response.status_code == HTTPStatus.OK:
            return None
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _changed(file)
        if response.status_code != HTTPStatus.PARTIAL_CONTENT:
            raise refusal(file.url, response)
        now = SourceFile.described_by(file.url, response)
        if now.encoding != file.encoding:
            return None
        if (now.length, now.etag) != (file.length, file.etag):
            raise _changed(file)
        tail = b""
        for piece in read_body(response, retry_policy):
            tail += piece
            if len(tail) > length:
                break  # it may never end
    if len(tail) != length:
        if now.encoding:
            return None
        raise TryAgain(f"{len(tail):,} bytes came instead of {length:,}")
    return tail


def _changed(file: SourceFile) -> SourceChanged:
    return SourceChanged(
        f"{file.where} was published anew while it was looked at: run again to see the new version.", url=file.where
    )


def _pickups(metadata: Any, schema: Schema) -> tuple[datetime | None, datetime | None]:
    """The first and last pickup of all row groups; None if any of these does not say."""
    firsts, lasts = [], []
    for index in range(metadata.num_row_groups):
        statistics = _pickup_statistics(metadata.row_group(index), schema)
        if statistics is None or not statistics.has_min_max:
            return None, None
        try:
            first, last = statistics.min, statistics.max
        except OverflowError:  # of a time that Python does not have
            return None, None
        if not isinstance(first, datetime):
            return None, None
        firsts.append(_plain(first))
        lasts.append(_plain(last))
    return min(firsts, default=None), max(lasts, default=None)


def _pickup_statistics(row_group: Any, schema: Schema) -> Any:
    for index in range(row_group.num_columns):
        chunk = row_group.column(index)
        column = schema.find(chunk.path_in_schema)
        if column is not None and column.role == "pickup":
            return chunk.statistics
    return None


def _plain(moment: Any) -> datetime:
    """A plain datetime in microseconds; nanoseconds come as pandas' own kind."""
    return datetime.combine(moment.date(), moment.time())
