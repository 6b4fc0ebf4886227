"""One side of a stream, without Prefect: ``replay`` or ``read``, as processes of their own.

Imports, and for the reader its first look at the empty topic, come before the clock.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psycopg2

from flows.decide.stream import Disorder, ReplayReport, StreamReport, Until
from flows.load.lake.folder import FolderLake
from flows.load.stream.broker import Broker, TopicWriter
from flows.load.stream.ordered import trips_by_day
from flows.load.stream.read import read_topic
from flows.load.stream.replay import Replay, send_trips
from flows.tlc.dataset import Dataset
from flows.tlc.month import Month
from tests.benchmarks.contenders.result import peak_memory_bytes, tell
from tests.benchmarks.inputs import MONTH


def replay(broker: str, topic: str, limit: str, speed: str) -> None:
    """Send so many trips of the lake's month."""
    dataset, month = Dataset.yellow, Month.parse(MONTH)
    lake = FolderLake(Path(os.environ["TLC_LOCAL_DIR"]) / "lake")
    manifest = lake.read_manifest(dataset, month)
    assert manifest is not None
    report = ReplayReport(dataset=dataset, month=str(month), topic=topic)
    what = Replay(dataset, month, manifest.content_key, float(speed), Disorder(), int(limit))
    begun = time.time()
    send_trips(TopicWriter(Broker(broker), topic), what, trips_by_day(lake, dataset, month, manifest), report)
    tell(begun=begun, seconds=time.time() - begun, peak_memory_bytes=peak_memory_bytes())


def read(broker: str, topic: str, until: str) -> None:
    """Read the topic into Postgres; ``finished`` is when the last row was there."""
    report = StreamReport(topic=topic)
    connection = psycopg2.connect(os.environ["TLC_POSTGRES_URL"])
    begun = time.time()
    read_topic(connection, Broker(broker), topic, Until.parse(until), report)
    seconds = time.time() - begun
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "select extract(epoch from max(arrived_at)), count(*) from tlc_stream.trips where topic = %s", (topic,)
        )
        finished, rows = cursor.fetchone() or (None, 0)
    connection.close()
    tell(
        finished=float(finished or 0),
        rows=rows,
        seconds=seconds,
        lag_seconds=report.lag_seconds,
        peak_memory_bytes=peak_memory_bytes(),
    )


if __name__ == "__main__":
    {"replay": replay, "read": read}[sys.argv[1]](*sys.argv[2:])
