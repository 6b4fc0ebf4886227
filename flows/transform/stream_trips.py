"""The trips of an open file: its columns planned, its batches streamed."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from flows.extract.read.trip_file import TripFile
from flows.tlc.identity import MonthRequest
from flows.tlc.rules import MAX_UNLOADABLE_SHARE
from flows.transform.conform import plan_file
from flows.transform.stream import TripStream


def only_counted(_rejected: pa.RecordBatch) -> None:
    """Keep no rejected row: the stream has counted it."""


def stream_trips(
    file: TripFile,
    request: MonthRequest,
    on_rejected: Callable[[pa.RecordBatch], None] = only_counted,
    *,
    may_lack: bool = False,
    max_unloadable_share: float = MAX_UNLOADABLE_SHARE,
) -> TripStream:
    """The stream of ``file``, conformed and checked as ``request`` says; nothing is read of it yet but its columns.

    Raises SchemaError if the columns are not those of the month; with ``may_lack`` some may be missing.
    """
    conformer = plan_file(file, request, may_lack=may_lack)
    return TripStream(file, conformer, on_rejected, request.drop_rules, max_unloadable_share)
