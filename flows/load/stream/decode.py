"""Messages of JSON as columns, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson
import pyarrow as pa

from flows.tlc.rules import UNFIT_VALUE
from flows.transform.events import BAD_ID, EVENT_ID, NOT_JSON, TOO_LONG, UNKNOWN_FIELD, Rejected, spelling

# Longer ones are no identities; some 2,700 bytes are too long for the table's key.
_MOST_ID_CHARACTERS = 200
# A trip has some 600.
MOST_BYTES = 16_384
_NESTED = frozenset((list, dict))


class _NoEvent(Exception):
    """The rule that it breaks, and what is wrong with it."""


def decode(messages: Sequence[bytes | None], rejected: Rejected) -> pa.RecordBatch:
    """The fields that any of the messages has, a row a message; numbers as such if a field has nothing else, or texts.

    Blanks around a field's name and its case are gone. The field ``event_id`` is always a text, null if an event says
    none. ``rejected`` gets those that are no JSON objects of at most 16 kB, or have a field that no event has, one
    twice, or with a list or an object in it, or an ``event_id`` that is neither an integer nor a text of at most 200
    characters.
    """
    events = list[dict[str, Any]]()
    for position, message in enumerate(messages):
        try:
            events.append(_event(message or b""))
        except _NoEvent as error:
            rejected[position] = error.args[0], error.args[1]
            events.append({})
    names = set[str]().union(*events) - {EVENT_ID}
    columns = {name: _column([event.get(name) for event in events]) for name in sorted(names)}
    return pa.record_batch({EVENT_ID: pa.array([_id_text(event) for event in events], pa.string()), **columns})


def _event(message: bytes) -> dict[str, Any]:
    if len(message) > MOST_BYTES:
        raise _NoEvent(TOO_LONG, f"it has {len(message):,} bytes, at most {MOST_BYTES:,} are read")
    try:
        fields = orjson.loads(message)
    except orjson.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        raise _NoEvent(NOT_JSON, "it is no JSON object")
    given = tuple(fields)
    names = _spellings(given)
    if None in names:
        unknown = sorted(name for name in given if spelling(name) is None)
        raise _NoEvent(UNKNOWN_FIELD, f"no event has the field {', '.join(unknown)[:80]!r}")
    if not _is_id(value := fields.get(EVENT_ID)):
        raise _NoEvent(BAD_ID, f"{_shown(value)} is no integer and no text of {_MOST_ID_CHARACTERS} characters")
    event: dict[Any, Any] = fields
    if names != given:
        event = {}
        for name, value in zip(names, fields.values(), strict=True):
            if event.get(name) is None:
                event[name] = value
            elif value is not None:
                raise _NoEvent(UNKNOWN_FIELD, f"{name} is there twice")
    if not _NESTED.isdisjoint(map(type, fields.values())):
        name = next(name for name, value in fields.items() if type(value) in _NESTED)
        raise _NoEvent(UNFIT_VALUE, f"{name} is {_shown(fields[name])}")
    return event


@lru_cache(16)  # all events of a producer have the same
def _spellings(names: tuple[str, ...]) -> tuple[str | None, ...]:
    return tuple(map(spelling, names))


def _shown(value: Any) -> str:
    return "a list or an object" if type(value) in _NESTED else repr(str(value)[:80])


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _MOST_ID_CHARACTERS
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _id_text(event: dict[str, Any]) -> str | None:
    value = event.get(EVENT_ID)
    return None if value in (None, "") else str(value).replace("\x00", "\\u0000")  # Postgres' text has none


def _column(values: list[Any]) -> pa.Array[Any]:
    try:
        return pa.array(values)
    except (pa.ArrowException, TypeError, OverflowError):  # values of several types, or beyond any
        pass
    texts = [value if value is None or isinstance(value, str) else orjson.dumps(value).decode() for value in values]
    return pa.array(texts, pa.string())
