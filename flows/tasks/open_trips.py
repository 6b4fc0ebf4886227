"""A downloaded month as a stream of trips, and all that loading it into a target needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from prefect.runtime import flow_run

from flows.extract.download.download import Downloaded
from flows.load.month_load import MonthLoad
from flows.load.rejected_spill import RejectedSpill, rejected_spill
from flows.tasks.connect import work_dir
from flows.tasks.month_file import DownloadedMonth, opened
from flows.tlc.report import Target
from flows.tlc.rules import MAX_UNLOADABLE_SHARE
from flows.transform.stream import TripStream
from flows.transform.stream_trips import only_counted, stream_trips
from flows.ui.cancellation import stoppable
from flows.ui.report import ProgressBar

_NAMES: dict[Target, str] = {"postgres": "Postgres", "gcs": "the lake", "bigquery": "the warehouse"}


@contextmanager
def open_trips(
    month: DownloadedMonth,
    on_rejected: Callable[[pa.RecordBatch], None] = only_counted,
    *,
    max_unloadable_share: float = MAX_UNLOADABLE_SHARE,
) -> Iterator[tuple[TripStream, Downloaded]]:
    """The month's trips, and the version of the file that they are of; see ``opened`` and ``TripStream``."""
    with opened(month.file, month.downloaded) as (file, version):
        yield stream_trips(file, month.request, on_rejected, max_unloadable_share=max_unloadable_share), version


@dataclass(frozen=True)
class OpenLoad:
    """A load about to begin: its trips, where they put the rejected rows, and whom it tells how far it is.

    ``on_progress`` raises LoadStopped if the run is cancelled. ``source_bytes`` is the size of the source's file.
    """

    load: MonthLoad
    trips: TripStream
    rejected: RejectedSpill
    source_bytes: int
    on_progress: Callable[[float], None]


@contextmanager
def open_load(month: DownloadedMonth, target: Target, started_at: datetime) -> Iterator[OpenLoad]:
    """Open the month's file for a load into ``target``; errors raised within name the month and the file."""
    request = month.request
    bar = ProgressBar(f"Loading {request.dataset} {request.month} into {_NAMES[target]}")
    with (
        month.context(),
        rejected_spill(work_dir()) as rejected,
        open_trips(month, rejected.write) as (trips, version),
    ):
        load = MonthLoad(
            request=request,
            target=target,
            source_url=month.file.where,
            source_etag=version.etag,
            bytes_read=version.bytes_read,
            flow_run_id=flow_run.get_id(),
            started_at=started_at,
            rechecked_at=version.rechecked_at,
        )
        yield OpenLoad(load, trips, rejected, version.length, stoppable(bar.update))
    bar.finish()
