"""Raw batches of one file become batches of its dataset's schema; what cannot be loaded is set apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.tlc.column import Column
from flows.tlc.errors import MissingColumn, NotTripFile, SchemaError, UnknownColumn
from flows.tlc.identity import NewColumns
from flows.tlc.month import Month
from flows.tlc.rules import MISSING_PICKUP, UNFIT_VALUE
from flows.tlc.schema import Schema
from flows.transform.fit import fit_values
from flows.transform.rejected import plain_value


@dataclass(frozen=True)
class Conformed:
    """A conformed batch, row for row that of the raw one, and the rows in it that cannot be loaded.

    ``unloadable`` has position → (rule, detail). In ``trips`` those rows have a null where a value did not fit.
    """

    trips: pa.RecordBatch
    unloadable: dict[int, tuple[str, str | None]]


@dataclass(frozen=True)
class Conformer:
    """How the columns of one file become those of ``schema``: made once a file by ``plan_conform``.

    ``positions`` has the place in the raw batch of each of the schema's columns; None where the file lacks it.
    """

    schema: Schema
    month: Month
    positions: tuple[int | None, ...]

    def conform(self, raw: pa.RecordBatch) -> Conformed:
        """The batch in schema order, with ``source_month``."""
        unloadable: dict[int, tuple[str, str | None]] = {}
        arrays = []
        for column, position in zip(self.schema.columns, self.positions, strict=True):
            if position is None:
                arrays.append(_constant(self.month, column, raw.num_rows))
                continue
            fitted, unfit = fit_values(raw.column(position), column)
            for row in unfit:
                value = plain_value(raw.column(position)[row])
                unloadable.setdefault(row, (UNFIT_VALUE, f"{column.name}: {value!r} is no {column.type}"))
            if column.required and fitted.null_count:
                for row in pc.indices_nonzero(fitted.is_null()).to_pylist():
                    unloadable.setdefault(row, (MISSING_PICKUP, None))
            arrays.append(fitted)
        # Without the schema's "not null": rows that break it are still here, and leave before the load.
        nullable = pa.schema([pa.field(field.name, field.type) for field in self.schema.arrow])
        return Conformed(pa.RecordBatch.from_arrays(arrays, schema=nullable), unloadable)


def plan_conform(
    schema: Schema, month: Month, column_names: Sequence[str], *, new_columns: NewColumns = "fail"
) -> Conformer:
    """Find each of the schema's columns in a file that has ``column_names``.

    Raises UnknownColumn for one that the schema does not declare (with ``new_columns="keep"`` it becomes a text
    column instead), MissingColumn where a required one is not there, SchemaError where two are the same, and
    NotTripFile where none is known.
    """
    places: dict[str, int] = {}
    unknown: list[str] = []
    for place, name in enumerate(column_names):
        if schema.is_ignored(name, column_names):
            continue
        column = schema.find(name)
        if column is None:
            unknown.append(name)
        elif column.name in places:
            other = column_names[places[column.name]]
            raise SchemaError(f"the file's columns {other!r} and {name!r} are both '{column.name}': which one counts?")
        else:
            places[column.name] = place
    if not places:
        raise NotTripFile(
            f"the file has no column of a {schema.dataset} file: its header is {', '.join(column_names)[:80]!r}. "
            "Look at what the source delivers there."
        )
    if unknown and new_columns == "fail":
        raise _unknown_column(schema, month, unknown)
    for column in schema.trip_columns:
        if column.required and column.name not in places:
            raise MissingColumn(
                f"the file has no {column.name} (nor {', '.join(column.source_names)}), without which no trip can be "
                f"loaded; it has {', '.join(column_names)}."
            )
    schema = keeping(schema, unknown)
    places |= {kept_name(name): column_names.index(name) for name in unknown}
    return Conformer(schema, month, tuple(places.get(column.name) for column in schema.columns))


def keeping(schema: Schema, names: Sequence[str]) -> Schema:
    """The schema with undeclared source columns as texts, before ``source_month``."""
    taken = set(schema.names)
    for name in names:
        if kept_name(name) in taken:
            raise SchemaError(
                f"the column {name!r} would be kept as '{kept_name(name)}', which another column is called already. "
                f"Declare it in flows/tlc/schemas/{schema.dataset}.toml under a name of its own."
            )
        taken.add(kept_name(name))
    kept = [Column(kept_name(name), "text", "Not declared: kept as text.", source_names=(name,)) for name in names]
    return replace(schema, columns=(*schema.trip_columns, *kept, schema.column("source_month"))) if kept else schema


def kept_name(source_name: str) -> str:
    """The conformed name of an undeclared column: ASCII letters, digits and underscores, in lower case."""
    letters = (letter if letter.isascii() and letter.isalnum() else "_" for letter in source_name.strip().lower())
    return "".join(letters)[:60] or "unnamed"


def _unknown_column(schema: Schema, month: Month, names: Sequence[str]) -> UnknownColumn:
    listed = ", ".join(f"'{name}'" for name in names)
    what, them = (f"columns {listed} are", "them") if len(names) > 1 else (f"column {listed} is", "it")
    return UnknownColumn(
        f"{what} not in flows/tlc/schemas/{schema.dataset}.toml. If TLC added {them}, declare {them} there with "
        f'since = "{month}"; to load {them} as text meanwhile, pass new_columns="keep".'
    )


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
