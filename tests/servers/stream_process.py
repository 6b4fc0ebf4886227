"""A reader and a replay as processes of their own, to be killed: ``python -m tests.servers.stream_process read …``.

``read BROKER TOPIC DATABASE until from_start`` and ``replay BROKER TOPIC LAKE``. A reader that finds another topic ends
with exit code 3.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg2

from flows.decide.stream import Disorder, ReplayReport, StreamReport, Until
from flows.load.lake.folder import FolderLake
from flows.load.stream import broker as kafka
from flows.load.stream import read as reading
from flows.load.stream.broker import Broker, TopicWriter
from flows.load.stream.ordered import trips_by_day
from flows.load.stream.replay import Replay, send_trips
from flows.tlc.dataset import Dataset
from flows.tlc.errors import BrokerUnavailable, TopicChanged
from flows.tlc.month import Month

DATASET, MONTH = Dataset.green, Month(2020, 12)
CHANGED, GONE = 3, 4
PROJECT = Path(__file__).resolve().parents[2]


def start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", __name__, *arguments], cwd=PROJECT, stderr=subprocess.PIPE)


def read(broker: str, topic: str, database: str, until: str, from_start: bool = False) -> StreamReport:
    done = StreamReport(topic=topic)
    connection = psycopg2.connect(database)
    reading.read_topic(connection, Broker(broker), topic, Until.parse(until), done, from_start=from_start)
    connection.close()
    return done


def replay(
    broker: str, topic: str, lake: str, *, limit: int | None = None, speed: float = 0, **disorder: float
) -> ReplayReport:
    """The month's trips; their version is what the lake's manifest says."""
    folder = FolderLake(Path(lake))
    manifest = folder.read_manifest(DATASET, MONTH)
    assert manifest is not None
    report = ReplayReport(dataset=DATASET, month=str(MONTH), topic=topic)
    Broker(broker).ensure_topic(topic)
    what = Replay(DATASET, MONTH, manifest.content_key, speed, Disorder(**disorder), limit)
    send_trips(TopicWriter(Broker(broker), topic), what, trips_by_day(folder, DATASET, MONTH, manifest), report)
    return report


def main(kind: str, broker: str, topic: str, place: str, until: str = "end", from_start: str = "") -> int:
    reading.BATCH_EVENTS, reading.BATCH_SECONDS = 200, 0.05  # many transactions, each a place to die in
    kafka._DELIVERY_SECONDS = 3.0
    try:
        if kind == "read":
            read(broker, topic, place, until, bool(from_start))
        else:
            replay(broker, topic, place, speed=600_000)  # a month in four seconds
    except TopicChanged:
        return CHANGED
    except BrokerUnavailable:
        return GONE
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
