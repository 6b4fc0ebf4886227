"""Messages of JSON as columns, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.types as pt

from flows.transform.events import BAD_ID, EVENT_ID, NOT_JSON, UNKNOWN_FIELD, Rejected, is_known

# Longer ones are no identities; some 2,700 bytes are too long for the table's key.
_MOST_ID_CHARACTERS = 200


def decode(messages: Sequence[bytes | None], rejected: Rejected) -> pa.RecordBatch:
    """The fields that any of the messages has, a row a message; numbers as such if a field has nothing else, or texts.

    The field ``event_id`` is always a text, null if an event says none. ``rejected`` gets those that are no JSON
    objects, or have a field that no event has, or an ``event_id`` that is neither an integer nor a text of at most 200
    characters.
    """
    events = [_event(message) for message in messages]
    names = set[str]().union(*(event for event in events if event is not None))
    unknown = {name for name in names if not is_known(name)}
    for position, event in enumerate(events):
        if event is None:
            rejected[position] = (NOT_JSON, "it is no JSON object")
        elif unknown and (odd := unknown & event.keys()):
            rejected[position] = (UNKNOWN_FIELD, f"no event has the field {', '.join(sorted(odd))[:80]!r}")
        elif not _is_id(event.get(EVENT_ID)):
            shown = str(event[EVENT_ID])[:80]
            rejected[position] = (BAD_ID, f"{shown!r} is no integer and no text of {_MOST_ID_CHARACTERS} characters")
    good = [{} if event is None or position in rejected else event for position, event in enumerate(events)]
    columns = {name: _column([event.get(name) for event in good]) for name in names - unknown - {EVENT_ID}}
    return pa.record_batch({EVENT_ID: pa.array([_id_text(event) for event in good], pa.string()), **columns})


def _event(message: bytes | None) -> dict[str, Any] | None:
    try:
        event = orjson.loads(message or b"")
    except orjson.JSONDecodeError:
        return None
    return event if isinstance(event, dict) else None


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _MOST_ID_CHARACTERS
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _id_text(event: dict[str, Any]) -> str | None:
    value = event.get(EVENT_ID)
    return None if value in (None, "") else str(value).replace("\x00", "\\u0000")  # Postgres' text has none


def _column(values: list[Any]) -> pa.Array[Any]:
    try:
        column = pa.array(values)
        if not pt.is_nested(column.type):
            return column
    except (pa.ArrowException, TypeError, OverflowError):  # values of several types, or beyond any
        pass
    texts = [value if value is None or isinstance(value, str) else orjson.dumps(value).decode() for value in values]
    return pa.array(texts, pa.string())
