"""What the columns of conformed trips hold: counted batch by batch, in bounded memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from flows.transform.rejected import plain_value

# Values of a column that are counted one by one; a column with more is described by its extremes alone.
MOST_VALUES = 2_000


@dataclass(frozen=True)
class ColumnProfile:
    """One column. Values are Python's; None if there is none, or if the type has no such figure.

    ``values`` has every value and its rows, the most frequent first; None if the column has too many to count.
    """

    name: str
    type: str
    rows: int
    nulls: int
    minimum: Any = None
    maximum: Any = None
    mean: float | None = None
    values: list[tuple[Any, int]] | None = None

    @property
    def distinct(self) -> int | None:
        """How many values there are; None if they were too many to count."""
        return None if self.values is None else len(self.values)


class Profile:
    """Takes batches of one schema, one after the other."""

    def __init__(self, schema: pa.Schema):
        self._columns = [_Counted(field.name, field.type) for field in schema]

    def add(self, trips: pa.RecordBatch) -> None:
        """Count the batch's rows."""
        for counted, values in zip(self._columns, trips.columns, strict=True):
            counted.add(values)

    def columns(self) -> list[ColumnProfile]:
        """The columns so far, in the schema's order."""
        return [counted.profile() for counted in self._columns]


@dataclass
class _Counted:
    name: str
    type: pa.DataType
    rows: int = 0
    nulls: int = 0
    total: float = 0.0
    extremes: list[Any] = field(default_factory=list)  # of each batch, as Arrow scalars: years may exceed Python's
    values: Counter[Any] | None = field(default_factory=Counter)

    def __post_init__(self) -> None:
        if pt.is_floating(self.type) or pt.is_timestamp(self.type):
            self.values = None  # amounts and times hardly repeat

    def add(self, column: Any) -> None:
        self.rows += len(column)
        self.nulls += column.null_count
        if not pt.is_string(self.type):
            self.extremes += pc.min_max(column).values()
        if pt.is_floating(self.type):
            self.total += pc.sum(column).as_py() or 0.0
        if self.values is not None:
            self._count_values(column)

    def _count_values(self, column: Any) -> None:
        assert self.values is not None
        counted = pc.value_counts(column.drop_null())
        found = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
        self.values.update(dict(found))
        if len(self.values) > MOST_VALUES:
            self.values = None

    def profile(self) -> ColumnProfile:
        known = self.rows - self.nulls
        least, most = pc.min_max(pa.array(self.extremes, self.type)).values() if self.extremes else (None, None)
        return ColumnProfile(
            name=self.name,
            type=str(self.type),
            rows=self.rows,
            nulls=self.nulls,
            minimum=None if least is None else plain_value(least),
            maximum=None if most is None else plain_value(most),
            mean=self.total / known if known and pt.is_floating(self.type) else None,
            values=None if self.values is None else self.values.most_common(),
        )
