"""What an event may be that is sent to do harm: rejected by a rule, and it costs nothing."""

from __future__ import annotations

import json
import tracemalloc

import pyarrow as pa
import pytest

from flows.load.stream.decode import MOST_BYTES, decode
from flows.transform.events import Rejected

GOOD = {"event_id": "a", "PULocationID": 74, "trip_distance": 1.5}


def decoded(*events: object) -> tuple[pa.RecordBatch, Rejected]:
    rejected: Rejected = {}
    messages = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    return decode(messages, rejected), rejected


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return f'{{"trip_distance": {opening * depth}1{closing * depth}}}'.encode()


@pytest.mark.parametrize("depth", [1, 200, 254, 300, 900, 1_100, 5_000])
def test_nesting_ends_no_run_whatever_its_depth(depth: int) -> None:
    _, rejected = decoded(
        GOOD,
        nested(depth),
        nested(depth, '{"a":', "}"),
        nested(depth).replace(b"trip_distance", b"event_id"),
        nested(depth).replace(b"trip_distance", b"miles"),
    )
    rules = [rejected[position][0] for position in range(1, 5)]
    if depth <= 900:
        assert rules == ["unfit_value", "unfit_value", "bad_event_id", "unknown_field"]
    else:  # more than the reader of JSON takes, or the bound
        assert {*rules} <= {"not_json", "too_long"}


def test_names_that_are_one_column_make_one_column() -> None:
    fields, rejected = decoded(
        {"pulocationid": 1}, {" PULocationID": 2}, {"\u2002PULOCATIONID ": 3}, {"PULocationID": 4, "pulocationid ": 5}
    )
    assert fields.schema.names == ["event_id", "pulocationid"]
    assert fields["pulocationid"].to_pylist() == [1, 2, 3, None]
    assert rejected == {3: ("unknown_field", "pulocationid is there twice")}


def test_both_names_of_a_column_that_was_renamed_may_be_there_one_without_a_value() -> None:
    """As in rows from before and after 2023-02 in one frame."""
    events = {"airport_fee": None, "Airport_fee": 1.25}, {"airport_fee": 1.5, "Airport_fee": None}
    fields, rejected = decoded(*events)
    assert fields["airport_fee"].to_pylist() == [1.25, 1.5]
    assert rejected == {}


def test_long_event_is_not_read() -> None:
    text = b'{"event_id": "a"}'
    fields, rejected = decoded(text.ljust(MOST_BYTES), text.ljust(MOST_BYTES + 1))
    assert fields["event_id"].to_pylist() == ["a", None]
    assert rejected == {1: ("too_long", "it has 16,385 bytes, at most 16,384 are read")}


@pytest.mark.parametrize(
    "bomb",
    [
        {"trip_distance": {f"k{number}": number for number in range(1_200)}},
        {f"{' ' * number}trip_type": 1 for number in range(150)},
        {f"k{number}": number for number in range(1_200)},
        {"trip_distance": [[]] * 4_000},
        {"event_id": {f"k{number}": number for number in range(1_200)}},
    ],
    ids=["keys of a value", "spellings", "fields", "lists", "keys of the identity"],
)
def test_event_takes_no_memory_in_the_place_of_others(bomb: object) -> None:
    """2,500 events are columns at once: what one of them has, all have."""
    message = json.dumps(bomb).encode()
    assert len(message) <= MOST_BYTES
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        fields, rejected = decoded(message, *[GOOD] * 2_499)
        most = tracemalloc.get_traced_memory()[1] + pa.total_allocated_bytes() - before
    finally:
        tracemalloc.stop()
    assert list(rejected) == [0]
    assert sorted(fields.schema.names) == ["event_id", "pulocationid", "trip_distance"]
    assert most < 16 << 20
