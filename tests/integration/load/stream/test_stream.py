"""A month of the lake through a topic into Postgres: each event once, whatever the topic has."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import psycopg2
import pytest

from blocks.embedded_broker import broker_process, start_broker, stop_broker
from flows.decide.stream import StreamComparison, StreamReport
from flows.load.duckdb.lake_query import query_lake
from flows.load.lake.folder import FolderLake
from flows.load.stream import broker as kafka
from flows.load.stream import read as reading
from flows.load.stream.compare import compare_zone_hours, zone_hours_of_stream, zone_hours_select
from flows.load.stream.ordered import ordered_select, trips_by_day
from flows.tlc.errors import BrokerUnavailable, ParameterError, TopicChanged
from tests.integration.load.stream.conftest import Stream
from tests.servers import stream_process
from tests.servers.stream_process import DATASET, MONTH

GOOD = {"dataset": "green", "source_month": "2020-12-01", "lpep_pickup_datetime": "2020-12-05 10:00:00"}


def compare(stream: Stream, tmp_path: Path) -> StreamComparison:
    connection = psycopg2.connect(stream.database.url)
    found = zone_hours_of_stream(connection, stream.topic, DATASET, MONTH)
    connection.close()
    result = StreamComparison(dataset=DATASET, month=str(MONTH), topic=stream.topic)
    with query_lake(FolderLake(Path(stream.lake)), zone_hours_select(DATASET), tmp_path) as rows:
        lines = [row for batch in rows for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)]
    return compare_zone_hours(found, lines, result)


def test_month_in_disorder_arrives_whole_and_once(stream: Stream, tmp_path: Path) -> None:
    sent = stream.replay(doubled=0.1, late=0.1, out_of_order=0.1)
    assert min(sent.doubled, sent.late, sent.out_of_order) > 100
    read = stream.read()
    assert (read.events_read, read.rows_loaded, read.rows_doubled) == (
        sent.trips + sent.doubled,
        sent.trips,
        sent.doubled,
    )
    assert stream.rows == (sent.trips, sent.trips)
    found = compare(stream, tmp_path)
    assert (found.status, found.rows_in_stream) == ("equal", sent.trips)
    assert found.groups > 1_000
    assert read.flagged_by_rule["zero_distance"] > 0

    again = stream.read()
    assert (again.events_read, again.events_behind) == (0, 0)
    stream.replay()  # as after a kill -9 of the first
    assert stream.read().rows_doubled == sent.trips
    assert stream.rows == (sent.trips, sent.trips)


def test_missing_events_show_in_the_comparison(stream: Stream, tmp_path: Path) -> None:
    stream.replay(limit=1_000)
    stream.read()
    found = compare(stream, tmp_path)
    assert (found.status, found.rows_in_stream) == ("differs", 1_000)
    assert "0 rows, not" in found.sentence


def test_events_come_by_pickup_with_zone_and_place(stream: Stream) -> None:
    stream.replay()
    stream.read()
    pickups = stream.database.query(
        "select array_agg(lpep_pickup_datetime order by event_offset) from tlc_stream.trips group by partition"
    )
    assert len(pickups) == kafka.PARTITIONS
    assert all(times == sorted(times) for (times,) in pickups)
    assert (
        stream.database.value(
            "select max(n) from (select count(distinct partition) as n from tlc_stream.trips "
            "group by pu_location_id) as zones"
        )
        == 1
    )
    assert (
        stream.database.value(
            "select count(*) from tlc_stream.trips join tlc_stream.offsets using (topic, partition) "
            "where event_offset >= next_offset"
        )
        == 0
    )


def test_order_is_the_same_whatever_the_layout(lake: str, tmp_path: Path) -> None:
    folder = FolderLake(Path(lake))
    manifest = folder.read_manifest(DATASET, MONTH)
    assert manifest
    by_day = list(trips_by_day(folder, DATASET, MONTH, manifest))
    with query_lake(folder, ordered_select(DATASET), tmp_path) as rows:
        unpartitioned = rows.read_all()
    assert [row for batch in by_day for row in batch.to_pylist()] == unpartitioned.to_pylist()


def test_what_is_no_trip_is_kept_with_its_place_and_reason(stream: Stream) -> None:
    course = {
        "VendorID": 2, "lpep_pickup_datetime": "2020-12-05T10:07:00", "PULocationID": 74, "trip_distance": "1.5",
        "congestion_surcharge": None,
    }  # fmt: skip
    stream.send(
        GOOD | {"event_id": "one", "pu_location_id": 74},
        b"no json", b"\xff{}", b"[1]", b'{"a": "\\u0000"}', b'{" dataset": "green"}', b'{"Event_ID": "two"}',
        GOOD | {"dataset": "tram"},
        GOOD | {"source_month": "December", "event_id": "x"},
        GOOD | {"tip": 3},
        GOOD | {"tpep_pickup_datetime": "2020-12-05 10:00:00"},
        GOOD | {"PULocationID": 1, "pu_location_id": 2},
        GOOD | {"lpep_pickup_datetime": None},
        GOOD | {"trip_distance": "far"},
        GOOD | {"trip_distance": {"miles": 1}},
        GOOD | {"event_id": 2.5},
        GOOD | {"event_id": True},
        GOOD | {"event_id": "x" * 201},
        course,
        GOOD | {"event_id": "one", "pu_location_id": 74},
        GOOD | {"event_id": 1714521600000},
        GOOD | {"event_id": "é" * 200},
        GOOD | {"event_id": ""},
    )  # fmt: skip
    read = stream.read()
    assert (read.events_read, read.rows_loaded, read.rows_doubled, read.rows_rejected) == (23, 5, 1, 17)
    found = stream.database.query(
        "select event_offset, rule, detail, event from tlc_stream.rejected_events where topic = %s order by 1",
        stream.topic,
    )
    rules = [rule for _, rule, *_ in found]
    assert rules == [
        "not_json", "not_json", "not_json", "unknown_field", "unknown_field", "unknown_field", "no_dataset", "no_month",
        "unknown_field", "unknown_field", "unknown_field", "missing_pickup", "unfit_value", "unfit_value",
        "bad_event_id", "bad_event_id", "bad_event_id",
    ]  # fmt: skip
    assert read.rejected_by_rule == Counter(rules)
    assert [offset for offset, *_ in found] == list(range(1, 18))
    assert found[0][3] == "no json"
    assert found[1][3] == "\\xff{}"
    assert "trip_distance" in found[12][2]
    assert stream.database.query(
        "select event_offset, pu_location_id, trip_distance, lpep_pickup_datetime, source_month::text "
        "from tlc_stream.trips where pu_location_id is not null order by 1"
    ) == [
        (0, 74, None, datetime(2020, 12, 5, 10), "2020-12-01"),
        (18, 74, 1.5, datetime(2020, 12, 5, 10, 7), "2020-12-01"),
    ]
    ids = stream.database.query("select event_id from tlc_stream.trips where event_offset > 18 order by event_offset")
    assert [each for (each,) in ids[:2]] == ["1714521600000", "é" * 200]
    assert ids[2][0].endswith("-22")  # its place


def test_windows_and_sessions_of_a_zone(stream: Stream) -> None:
    minutes = ("10:00:30", "10:04:00", "10:05:00", "10:20:00")
    stream.send(*({**GOOD, "lpep_pickup_datetime": f"2020-12-05 {at}", "pu_location_id": 74} for at in minutes))
    stream.read()
    assert stream.database.query("select window_start::time::text, trips from tlc_stream.zone_windows order by 1") == [
        ("10:00:00", 2), ("10:05:00", 1), ("10:20:00", 1),
    ]  # fmt: skip
    assert stream.database.query(
        "select session_start::time::text, session_end::time::text, trips from tlc_stream.zone_sessions order by 1"
    ) == [("10:00:30", "10:05:00", 3), ("10:20:00", "10:20:00", 1)]


def test_two_readers_at_once_and_a_replay_that_is_under_way(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BATCH_EVENTS", 100)
    stream.replay(limit=1)  # makes the topic
    found: list[StreamReport] = []
    is_sent = threading.Event()

    def read_on() -> None:
        while not is_sent.is_set():
            found.append(stream.read())
        found.append(stream.read())

    readers = [threading.Thread(target=read_on) for _ in range(2)]
    for reader in readers:
        reader.start()
    sent = stream.replay()
    is_sent.set()
    for reader in readers:
        reader.join(60)
    assert sum(read.rows_loaded for read in found) == sent.trips
    assert sum(read.events_read for read in found) == sent.trips + 1
    assert stream.rows == (sent.trips, sent.trips)


def test_error_within_a_batch_loses_and_doubles_nothing(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = stream.replay()
    monkeypatch.setattr(reading, "BATCH_EVENTS", 1_000)
    write, calls = reading.write_batch, []

    def break_off(connection, batch, places):  # type: ignore[no-untyped-def] # passed on
        calls.append(1)
        if len(calls) == 2:
            connection.close()
        return write(connection, batch, places)

    monkeypatch.setattr(reading, "write_batch", break_off)
    with pytest.raises(Exception, match="connection already closed"):
        stream.read()
    assert 0 < stream.rows[0] < sent.trips
    stream.read()
    assert stream.rows == (sent.trips, sent.trips)


def test_emptied_broker_is_told_and_nothing_is_lost(stream_at: Callable[[str], Stream], tmp_path: Path) -> None:
    folder = tmp_path / "events"
    try:
        stream = stream_at(start_broker(folder))
        stream.replay(limit=500)
        stream.read()
        assert stop_broker(folder)
        assert start_broker(folder) == stream.broker
        with pytest.raises(TopicChanged, match=r"broker was emptied.*from_start=True"):
            stream.read()
        sent = stream.replay()
        with pytest.raises(TopicChanged, match="not the topic that was read before"):
            stream.read()
        read = stream.read(from_start=True)
        assert (read.rows_loaded, read.rows_doubled) == (sent.trips - 500, 500)
        assert stream.rows == (sent.trips, sent.trips)
    finally:
        stop_broker(folder)


def test_broker_emptied_while_a_reader_waits_is_told(stream_at: Callable[[str], Stream], tmp_path: Path) -> None:
    """Its client goes on at the old offsets, without a word, as soon as the new topic is that long."""
    folder = tmp_path / "events"
    try:
        stream = stream_at(start_broker(folder))
        stream.replay(limit=500)
        raised: list[Exception] = []

        def read() -> None:
            try:
                stream.read("60")
            except (TopicChanged, BrokerUnavailable) as error:
                raised.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        while not stream.database.value("select to_regclass('tlc_stream.trips') is not null") or stream.rows[0] < 500:
            assert reader.is_alive()
        process = broker_process(folder)
        assert process
        process.kill()
        process.wait(60)
        start_broker(folder)
        sent = stream.replay()
        reader.join(60)
        assert len(raised) == 1
        stream.read(from_start=True)
        assert stream.rows == (sent.trips, sent.trips)
    finally:
        stop_broker(folder)


def test_errors_say_what_to_do(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ParameterError, match=r"has no topic 'test.*replay_trips makes one"):
        stream.read()
    monkeypatch.setattr(kafka, "_ANSWER_SECONDS", 0.3)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(BrokerUnavailable, match=rf"{address} does not answer.*TLC_EVENTS_URL"):
            stream_process.read(address, "x", stream.database.url, "end")
