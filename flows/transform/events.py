"""Trips that come one by one, as events: conformed and checked by what conforms and checks a month's file.

An event has its trip's columns, under the conformed names or those of the source, and four fields of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.extract.read import RaggedLine
from flows.tlc.column import Column, folded
from flows.tlc.dataset import Dataset
from flows.tlc.identity import MonthRequest
from flows.tlc.month import MONTH_PATTERN, Month
from flows.tlc.schema import Schema, schema_of
from flows.transform.stream_trips import stream_trips

# What an event says beside its trip: who it is, once and for ever; which dataset and file's month it is of; when it was
# sent, in milliseconds from 1970.
EVENT_ID, DATASET, MONTH, SENT_AT = EVENT_FIELDS = ("event_id", "dataset", "source_month", "sent_at")
# Why an event is none; of rows that cannot be loaded, the rules of files count too.
NOT_JSON, NO_DATASET, NO_MONTH, UNKNOWN_FIELD = "not_json", "no_dataset", "no_month", "unknown_field"
BAD_ID, TOO_LONG = "bad_event_id", "too_long"

# Position of an event → the rule that rejects it, and what is wrong with it.
Rejected = dict[int, tuple[str, str | None]]


@dataclass
class EventCounts:
    """What the conformed events came to: loaded ones that break rules, by each rule, and in all."""

    rows_flagged: int = 0
    flagged: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class EventTrips:
    """Conformed trips of one dataset, and the position of the event that each is of."""

    dataset: Dataset
    trips: pa.RecordBatch
    positions: pa.Int64Array


@dataclass(frozen=True)
class _EventFile:
    """Events of one dataset and month in the place of a trip file."""

    batch: pa.RecordBatch

    @property
    def column_names(self) -> list[str]:
        return list(self.batch.schema.names)

    @property
    def rows(self) -> int:
        return int(self.batch.num_rows)

    def batches(self) -> Iterator[pa.RecordBatch]:
        yield self.batch

    def take_ragged(self) -> list[RaggedLine]:
        return []

    def fraction_read(self) -> float:
        return 1.0


def spelling(name: str) -> str | None:
    """A field's name as columns have it here, without blanks and in small letters; None if no event has such a field.

    An event's own fields have no other spelling.
    """
    if name in EVENT_FIELDS:
        return name
    small = folded(name)
    return small if small in _column_names() else None


@cache
def _column_names() -> frozenset[str]:
    return frozenset(name for dataset in Dataset for name in _columns(dataset))


def conform_events(
    fields: pa.RecordBatch, rejected: Rejected, counts: EventCounts, default: Dataset | None = None
) -> Iterator[EventTrips]:
    """The trips of events, dataset by dataset and month by month; ``rejected`` gets the others.

    ``fields`` has a row an event and a column for each field that any of them has, under its ``spelling``; those that
    are ``rejected`` already are left out. ``default`` is the dataset of events that do not name one; those
    that name no month are of the month of their pickup.
    """
    for (dataset, month), positions in _groups(fields, rejected, default).items():
        where = pa.array(positions, pa.int64())
        schema = schema_of(dataset)
        batch = _source_columns(fields.take(where), schema, positions, rejected)
        bad: Rejected = {row: rejected[position] for row, position in enumerate(positions) if position in rejected}
        if bad:
            keep = pa.array([row not in bad for row in range(len(positions))])
            batch, where = batch.filter(keep), where.filter(keep)
        yield from _conform(batch, where, MonthRequest(dataset, month), rejected, counts)


def _conform(
    batch: pa.RecordBatch, where: pa.Int64Array, request: MonthRequest, rejected: Rejected, counts: EventCounts
) -> Iterator[EventTrips]:
    bad: Rejected = {}

    def keep_rejected(rows: pa.RecordBatch) -> None:
        numbers, rules, details = (rows.column(name).to_pylist() for name in ("row_number", "rule", "detail"))
        bad.update({number - 1: (rule, detail) for number, rule, detail in zip(numbers, rules, details, strict=True)})

    stream = stream_trips(_EventFile(batch), request, keep_rejected, may_lack=True, max_unloadable_share=1.0)
    for trips in stream:
        rejected |= {where[row].as_py(): why for row, why in bad.items()}
        good = where.filter(pa.array([row not in bad for row in range(len(where))])) if bad else where
        yield EventTrips(request.dataset, trips, good)
    rejected |= {where[row].as_py(): why for row, why in bad.items()}
    counts.rows_flagged += stream.counts.rows_flagged
    counts.flagged += stream.counts.flagged


def _groups(
    fields: pa.RecordBatch, rejected: Rejected, default: Dataset | None
) -> dict[tuple[Dataset, Month], list[int]]:
    """The positions of the events of each dataset and month; those of none are rejected."""
    names, months = _texts(fields, [DATASET]), _texts(fields, [MONTH, *_pickup_names()])
    asked: dict[tuple[str | None, str | None], list[int]] = {}
    for position, key in enumerate(
        zip(names.to_pylist(), pc.utf8_slice_codeunits(months, 0, 7).to_pylist(), strict=True)
    ):
        if position not in rejected:
            asked.setdefault(key, []).append(position)
    groups: dict[tuple[Dataset, Month], list[int]] = {}
    for (name, month), positions in asked.items():
        dataset = default if name is None else Dataset(name) if name in list(Dataset) else None
        if dataset is None:
            why = NO_DATASET, f"{DATASET} {name!r}, expected one of {', '.join(Dataset)}"
        elif not month or not re.fullmatch(MONTH_PATTERN, month):
            why = NO_MONTH, f"no {MONTH}, and no pickup in a month of 2000 to 2099, but {month!r}"
        else:
            groups.setdefault((dataset, Month.parse(month)), []).extend(positions)
            continue
        rejected |= dict.fromkeys(positions, why)
    return groups


def _source_columns(events: pa.RecordBatch, schema: Schema, positions: list[int], rejected: Rejected) -> pa.RecordBatch:
    """The dataset's own columns under a name of the source each; null if no event has it.

    An event with a field that is none of the dataset's, or with two that are one column, is rejected.
    """
    columns = _columns(schema.dataset)
    found: dict[str, pa.Array[Any]] = {}
    for name, values in zip(events.schema.names, events.columns, strict=True):
        column = columns.get(name)
        if name in EVENT_FIELDS:
            continue
        if column is None:
            odd, why = values.is_valid(), f"{name} is no field of {schema.dataset} trips"
        elif column.name in found:
            odd, why = pc.and_(values.is_valid(), found[column.name].is_valid()), f"{column.name} is there twice"
            found[column.name] = pc.coalesce(found[column.name].cast(pa.string()), values.cast(pa.string()))
        else:
            found[column.name] = values
            continue
        for row in pc.indices_nonzero(odd).to_pylist():
            rejected.setdefault(positions[row], (UNKNOWN_FIELD, why))
    absent = pa.nulls(events.num_rows, pa.string())
    wanted = [column for column in schema.trip_columns if column.name in found or column.required]
    return pa.RecordBatch.from_arrays(
        [found.get(column.name, absent) for column in wanted], [column.source_names[0] for column in wanted]
    )


@cache
def _columns(dataset: Dataset) -> dict[str, Column]:
    """The columns that come from events, by all their names, folded."""
    return {
        folded(name): column
        for column in schema_of(dataset).trip_columns
        for name in (column.name, *column.source_names)
    }


@cache
def _pickup_names() -> frozenset[str]:
    pickups = (schema_of(dataset).role("pickup") for dataset in Dataset)
    return frozenset(folded(name) for column in pickups if column for name in (column.name, *column.source_names))


def _texts(fields: pa.RecordBatch, names: list[str]) -> pa.StringArray:
    """The first of the named fields that each event has."""
    there = [fields.column(name).cast(pa.string()) for name in names if name in fields.schema.names]
    return pc.coalesce(*there, pa.nulls(fields.num_rows, pa.string()))
