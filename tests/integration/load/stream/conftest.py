"""A broker for the session, a topic for each test, and a lake with one month."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from blocks.embedded_broker import start_broker, stop_broker
from deployments.tlc_site.synthetic.months import write_parquet
from flows.decide.stream import ReplayReport, StreamReport
from flows.extract.read.trip_file import open_trip_file
from flows.load.lake.folder import FolderLake
from flows.load.lake.month import load_month
from flows.load.month_load import MonthLoad
from flows.load.rejected_spill import rejected_spill
from flows.load.stream.broker import Broker, TopicWriter
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import LAYOUTS
from flows.transform.stream_trips import stream_trips
from tests.conftest import Database
from tests.servers import stream_process
from tests.servers.stream_process import DATASET, MONTH

ROWS = 3_000


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("events")
    yield start_broker(folder)
    stop_broker(folder)


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a lake with a month of 3,000 green trips."""
    folder = tmp_path_factory.mktemp("lake")
    path = folder / "source.parquet"
    write_parquet(DATASET, MONTH, path, ROWS)
    request = MonthRequest(DATASET, MONTH)
    etag = hashlib.sha256(path.read_bytes()).hexdigest()
    load = MonthLoad(request, "gcs", path.as_uri(), etag, started_at=datetime.now(UTC))
    with open_trip_file(path) as file, rejected_spill(folder) as rejected:
        trips = stream_trips(file, request, rejected.write)
        size = path.stat().st_size
        load_month(
            FolderLake(folder / "lake"), load, trips, rejected, layouts=LAYOUTS, work_dir=folder, source_bytes=size
        )
    return str(folder / "lake")


@pytest.fixture(scope="session")
def whole(lake: str) -> int:
    """The trips that the lake has of the month; the others of its file were rejected."""
    manifest = FolderLake(Path(lake)).read_manifest(DATASET, MONTH)
    assert manifest is not None
    return manifest.report.rows_loaded


@dataclass(frozen=True)
class Stream:
    """A topic of a test's own, and the database that it is read into."""

    broker: str
    topic: str
    database: Database
    lake: str

    def replay(self, **options: Any) -> ReplayReport:
        return stream_process.replay(self.broker, self.topic, self.lake, **options)

    def read(self, until: str = "end", *, from_start: bool = False) -> StreamReport:
        return stream_process.read(self.broker, self.topic, self.database.url, until, from_start)

    def send(self, *events: Any) -> None:
        """Bytes as they are, anything else as JSON; all into one partition, in this order."""
        Broker(self.broker).ensure_topic(self.topic)
        writer = TopicWriter(Broker(self.broker), self.topic)
        for event in events:
            writer.send(event if isinstance(event, bytes) else json.dumps(event).encode(), "one key", 1)
        writer.finish()

    @property
    def rows(self) -> tuple[int, int]:
        """Rows, and different events among them."""
        counts = "select count(*), count(distinct event_id) from tlc_stream.trips where topic = %s"
        found = self.database.query(counts, self.topic)
        return found[0]


@pytest.fixture
def stream(broker: str, database: Database, lake: str) -> Stream:
    return Stream(broker, f"test-{uuid.uuid4().hex[:8]}.green", database, lake)


@pytest.fixture
def stream_at(database: Database, lake: str) -> Callable[[str], Stream]:
    """The same with a broker of the test's own."""
    return lambda address: Stream(address, "trips.green", database, lake)
