"""Events as JSON: from conformed batches, and to columns of texts. DuckDB does both, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from flows.tlc.column import folded
from flows.transform.events import EVENT_ID, NOT_JSON, UNKNOWN_FIELD, Rejected, known_fields

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {"threads": 1, "memory_limit": "100MB"}


class JsonEvents:
    """Encodes and decodes; holds a database in memory that has nothing in it."""

    def __init__(self) -> None:
        self._db = duckdb.connect(config=_SETTINGS)

    def encode(self, trips: pa.RecordBatch) -> list[str]:
        """Each row as a JSON object with all columns: times as texts, null for what is missing."""
        fields = ", ".join(f"'{name}': \"{name}\"" for name in trips.schema.names)
        return self._ask(trips, f"to_json({{{fields}}})").column(0).to_pylist()

    def decode(self, messages: Sequence[bytes | None], rejected: Rejected) -> pa.RecordBatch:
        """The fields that any of the messages has, as texts, a row a message.

        ``rejected`` gets those that are no JSON, or have a field that no event has.
        """
        texts = pa.record_batch({"text": pa.array(list(map(_text, messages)), pa.string())})
        keys = "case when json_valid(text) then json_keys(text) end"
        found = self._ask(texts, keys, distinct=True).column(0).to_pylist()
        names: dict[str, str] = {}
        for name in (name for names in found for name in names or ()):
            if folded(name) in known_fields() and name == name.strip():
                names.setdefault(folded(name), name)  # twice, in two cases: the second is unknown
        unknown = {name for names_of in found for name in names_of or ()} - set(names.values())
        if None in found or unknown:
            self._reject(texts, keys, unknown, rejected)
            keep = pa.array([position not in rejected for position in range(len(messages))])
            texts = pa.record_batch({"text": pc.if_else(keep, texts.column(0), None)})
        kinds = ", ".join(f'"{name}": "VARCHAR"' for name in names.values()) or f'"{EVENT_ID}": "VARCHAR"'
        return self._ask(texts, f"unnest(json_transform(text, '{{{kinds}}}'))")

    def _reject(self, texts: pa.RecordBatch, keys: str, unknown: set[str], rejected: Rejected) -> None:
        for position, given in enumerate(self._ask(texts, keys).column(0).to_pylist()):
            if given is None:
                rejected[position] = (NOT_JSON, "it is no JSON")
            elif odd := sorted(unknown & set(given)):
                rejected[position] = (UNKNOWN_FIELD, f"no event has the field {', '.join(odd)[:80]!r}")

    def _ask(self, batch: pa.RecordBatch, expression: str, *, distinct: bool = False) -> pa.RecordBatch:
        self._db.register("batch", batch)
        rows = self._db.sql(f"select {'distinct ' if distinct else ''}{expression} from batch").to_arrow_table()  # noqa: S608
        self._db.unregister("batch")
        return rows.combine_chunks().to_batches()[0] if rows.num_rows else rows.schema.empty_table().to_batches()[0]


def _text(message: bytes | None) -> str | None:
    """None if it is none, or no UTF-8."""
    try:
        return None if message is None else message.decode()
    except UnicodeDecodeError:
        return None
