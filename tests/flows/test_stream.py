"""A month through the flows: lake → topic → Postgres, and the comparison of both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.embedded_broker import broker_folder, stop_broker
from deployments.tlc_site.site import TripSite
from flows import api_to_gcs, reconcile_stream, replay_trips, stream_to_postgres
from flows.decide.stream import Disorder
from flows.load.stream import read as reading
from flows.tasks.stream import replay_month
from flows.tlc.dataset import Dataset
from flows.tlc.errors import MonthsDiffer, ParameterError, StreamError
from flows.tlc.month import Month
from flows.ui import stream as shown
from tests.conftest import Database
from tests.flows.conftest import path_of

TOPIC = "tlc.trips.green"


@pytest.fixture
def embedded_broker(environment: Path) -> Iterator[None]:
    """Started by the first flow that needs it."""
    yield
    assert stop_broker(broker_folder())


def test_month_is_replayed_read_and_compared(
    environment: Path,
    embedded_broker: None,
    site: TripSite,
    year_files: dict[Month, bytes],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    month = Month(2019, 1)
    site.put(path_of(month), year_files[month])
    loaded = api_to_gcs("green", "2019-01")
    sent = replay_trips("green", "2019-01", doubled=0.1, speed=2_000_000)
    assert (sent.topic, sent.trips, sent.status) == (TOPIC, loaded.rows_loaded, "replayed")
    assert sent.seconds > 1  # 31 days

    read = stream_to_postgres(TOPIC, until="end")
    assert (read.rows_loaded, read.rows_doubled, read.status) == (sent.trips, sent.doubled, "read")
    assert read.events_read == read.rows_loaded + read.rows_doubled + read.rows_rejected
    assert stream_to_postgres(TOPIC).status == "nothing_new"
    assert reconcile_stream("green", "2019-01").status == "equal"

    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("delete from tlc_stream.trips where event_offset = 0 and partition = 0")
    connection.close()
    with pytest.raises(MonthsDiffer, match=r"green 2019-01: tlc.trips.green differs from the lake in 1 of"):
        reconcile_stream("green", "2019-01")
    with pytest.raises(ParameterError, match=r"does not have the month: load it with api_to_gcs first"):
        replay_trips("green", "2019-02")
    with pytest.raises(ParameterError, match="together they are at most 1"):
        replay_trips("green", "2019-01", late=0.6, out_of_order=0.6)
    with pytest.raises(StreamError, match="into a topic of another name") as caught:
        replay_month.fn(Dataset.green, month, "an older version", TOPIC, 0, None, Disorder())
    assert type(caught.value) is StreamError  # which is not retried

    # A run that fails after its first batch: the log has said what it read, and says it at the end.
    write = reading.write_batch
    monkeypatch.setattr(shown, "LOG_SECONDS", 0)
    monkeypatch.setattr(reading, "BATCH_EVENTS", 100)

    def fail_at_the_second(connection, batch, places):  # type: ignore[no-untyped-def] # passed on
        monkeypatch.setattr(reading, "write_batch", fail)
        return write(connection, batch, places)

    def fail(*_: object) -> None:
        raise StreamError("made to fail")

    monkeypatch.setattr(reading, "write_batch", fail_at_the_second)
    with pytest.raises(StreamError, match="made to fail"):
        stream_to_postgres(TOPIC, from_start=True)
    told = [
        record.getMessage() for record in caplog.records if "100 events of tlc.trips.green: " in record.getMessage()
    ]
    assert [line.endswith("events behind") for line in told] == [True, False]
