"""Raw batches of one file become batches of its dataset's schema; what cannot be loaded is set apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.extract.read import TripFile
from flows.tlc.column import Column
from flows.tlc.errors import NotTripFile
from flows.tlc.identity import MonthRequest, NewColumns
from flows.tlc.lacking import FileFormat
from flows.tlc.month import Month
from flows.tlc.rules import MISSING_PICKUP, UNFIT_VALUE
from flows.tlc.schema import Schema, schema_of
from flows.transform.cast import cast_values
from flows.transform.columns import (
    check_complete,
    check_nameless,
    kept_name,
    kept_names,
    united,
    unknown_columns,
)
from flows.transform.faults import Uncastable
from flows.transform.rejected import plain_value

__all__ = ["Conformed", "Conformer", "keeping", "kept_name", "plan_conform", "plan_file"]


@dataclass(frozen=True)
class Conformed:
    """A conformed batch, row for row that of the raw one, and the rows in it that cannot be loaded.

    ``unloadable`` has position → (rule, detail). In ``trips`` a value that does not fit is null.
    ``uncastable`` are the values that do not fit, by column; ``missing`` the rows without one, by required column.
    """

    trips: pa.RecordBatch
    unloadable: dict[int, tuple[str, str | None]]
    uncastable: list[Uncastable] = field(default_factory=list)
    missing: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Conformer:
    """How the columns of one file become those of ``schema``: made once a file by ``plan_conform``.

    ``positions`` has the place in the raw batch of each of the schema's columns; None if the file lacks it.
    ``twins`` has, by such a place, further places of the same column; ``nameless`` those of columns without a name.
    """

    schema: Schema
    month: Month
    positions: tuple[int | None, ...]
    twins: Mapping[int, Sequence[int]] = field(default_factory=dict, hash=False)
    nameless: Sequence[int] = ()

    def conform(self, raw: pa.RecordBatch) -> Conformed:
        """The batch in schema order, with ``source_month``.

        Raises SchemaError if a column without a name has a value, or two columns that are one have different ones.
        """
        for place in self.nameless:
            check_nameless(raw, place, self.schema)
        unloadable: dict[int, tuple[str, str | None]] = {}
        found: list[Uncastable] = []
        missing: Counter[str] = Counter()
        arrays = []
        for column, position in zip(self.schema.columns, self.positions, strict=True):
            if position is None:
                arrays.append(_constant(self.month, column, raw.num_rows))
                continue
            fitted = _fit(raw, position, column, unloadable, found)
            for twin in self.twins.get(position, ()):
                names = raw.schema.names[position], raw.schema.names[twin]
                fitted = united(fitted, _fit(raw, twin, column, unloadable, found), column, names, self.schema)
            if column.required and fitted.null_count:
                for row in pc.indices_nonzero(fitted.is_null()).to_pylist():
                    if row not in unloadable:
                        unloadable[row] = (MISSING_PICKUP, None)
                        missing[column.name] += 1
            arrays.append(fitted)
        # Without the schema's "not null": rows that break it are still here, and leave before the load.
        nullable = pa.schema([pa.field(field.name, field.type) for field in self.schema.arrow])
        return Conformed(pa.RecordBatch.from_arrays(arrays, schema=nullable), unloadable, found, missing)


def plan_file(file: TripFile, request: MonthRequest, *, may_lack: bool = False) -> Conformer:
    """How the columns of an open file become those of the request's dataset; see ``plan_conform``.

    Raises MissingColumn if it lacks a column that such files of that month have, unless it ``may_lack`` some.
    """
    return plan_conform(
        schema_of(request.dataset),
        request.month,
        file.column_names,
        new_columns=request.new_columns,
        file_format=None if may_lack else "csv" if file.rows is None else "parquet",
    )


def plan_conform(
    schema: Schema,
    month: Month,
    column_names: Sequence[str],
    *,
    new_columns: NewColumns = "fail",
    file_format: FileFormat | None = None,
) -> Conformer:
    """Find each of the schema's columns in a file that has ``column_names``.

    Raises UnknownColumn for one that the schema does not declare (with ``new_columns="keep"`` it becomes a text
    column instead), MissingColumn for a required one that is not there, or, if ``file_format`` is given, for any that
    such files of that month have, and NotTripFile if none is known.
    """
    places: dict[str, list[int]] = {}
    unknown: list[str] = []
    nameless: list[int] = []
    for place, name in enumerate(column_names):
        if schema.is_ignored(name, column_names):
            continue
        if column := schema.find(name):
            places.setdefault(column.name, []).append(place)
        elif name.strip():
            unknown.append(name)
        else:
            nameless.append(place)
    if not places:
        raise NotTripFile(
            f"the file has no column of a {schema.dataset} file: its header is {', '.join(column_names)[:80]!r}. "
            "Look at what the source delivers there."
        )
    missing = schema.missing(month, places, file_format, has_unknown=bool(unknown))
    if file_format is None:
        missing = [column for column in missing if column.required]
    if unknown and new_columns == "fail":
        raise unknown_columns(schema, month, column_names, unknown)
    check_complete(schema, month, column_names, missing, unknown)
    kept = kept_names(schema, unknown)
    places |= {name: [column_names.index(source_name)] for name, source_name in kept.items()}
    schema = keeping(schema, kept)
    firsts = tuple(places[name][0] if name in places else None for name in schema.names)
    return Conformer(schema, month, firsts, {found[0]: found[1:] for found in places.values() if found[1:]}, nameless)


def keeping(schema: Schema, kept: Mapping[str, str]) -> Schema:
    """The schema with undeclared columns as texts, before ``source_month``: their names, and those at the source."""
    texts = [Column(name, "text", "Not declared: kept as text.", source_names=(at,)) for name, at in kept.items()]
    return replace(schema, columns=(*schema.trip_columns, *texts, schema.column("source_month"))) if texts else schema


def _fit(
    raw: pa.RecordBatch,
    position: int,
    column: Column,
    unloadable: dict[int, tuple[str, str | None]],
    found: list[Uncastable],
) -> pa.Array[Any]:
    """The raw column in the type of ``column``; values that do not fit go to ``unloadable``, by row, and ``found``."""
    values = raw.column(position)
    fitted, rows = cast_values(values, column)
    if rows:
        uncastable = Uncastable(column, values.type)
        found.append(uncastable)
    for row in rows:
        value = plain_value(values[row])
        uncastable.add(value)
        unloadable.setdefault(row, (UNFIT_VALUE, f"{column.name}: {value!r} is no {column.type}"))
    return fitted


def _constant(month: Month, column: Column, rows: int) -> pa.Array[Any]:
    """What a column that the file lacks has in every row: the month for ``source_month``, else nothing."""
    return _nulls(column.arrow, rows) if column.source_names else _days(month, rows)


# Nearly all batches of a file have the same number of rows: they share one array of each type instead of having theirs
# (seven columns of yellow's). A few sizes are kept for CSV, whose batches differ.
@lru_cache(maxsize=16)
def _nulls(kind: pa.DataType, rows: int) -> pa.Array[Any]:
    return pa.nulls(rows, kind)


@lru_cache(maxsize=16)
def _days(month: Month, rows: int) -> pa.Array[Any]:
    return pc.take(pa.array([month.first_day], pa.date32()), pa.nulls(rows, pa.int32()).fill_null(0))
