"""Messages of JSON as columns, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.types as pt

from flows.tlc.column import folded
from flows.transform.events import EVENT_ID, NOT_JSON, UNKNOWN_FIELD, Rejected, known_fields


def decode(messages: Sequence[bytes | None], rejected: Rejected) -> pa.RecordBatch:
    """The fields that any of the messages has, a row a message; numbers as such if a field has nothing else, or texts.

    ``rejected`` gets those that are no JSON objects, or have a field that no event has.
    """
    events = [_event(message) for message in messages]
    names = set[str]().union(*(event for event in events if event is not None))
    unknown = {name for name in names if folded(name) not in known_fields()}
    for position, event in enumerate(events):
        if event is None:
            rejected[position] = (NOT_JSON, "it is no JSON object")
        elif unknown and (odd := unknown & event.keys()):
            rejected[position] = (UNKNOWN_FIELD, f"no event has the field {', '.join(sorted(odd))[:80]!r}")
    good = [{} if event is None or position in rejected else event for position, event in enumerate(events)]
    return pa.record_batch(
        {name: _column([event.get(name) for event in good]) for name in {EVENT_ID, *names} - unknown}
    )


def _event(message: bytes | None) -> dict[str, Any] | None:
    try:
        event = orjson.loads(message or b"")
    except orjson.JSONDecodeError:
        return None
    return event if isinstance(event, dict) else None


def _column(values: list[Any]) -> pa.Array[Any]:
    try:
        column = pa.array(values)
        if not pt.is_nested(column.type):
            return column
    except (pa.ArrowException, TypeError, OverflowError):  # values of several types, or beyond any
        pass
    texts = [value if value is None or isinstance(value, str) else orjson.dumps(value).decode() for value in values]
    return pa.array(texts, pa.string())
