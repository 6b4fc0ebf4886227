"""Add up the control sums of record batches, one batch in memory at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.tlc.schema import Schema
from flows.tlc.totals import Totals


@dataclass(frozen=True)
class TotalsColumns:
    """The names of the columns that control sums are made of; None if the dataset has no such column."""

    pickup: str
    amount: str | None
    distance: str | None

    @classmethod
    def of(cls, schema: Schema) -> TotalsColumns:
        """The columns by the roles that they play."""
        pickup, amount, distance = (schema.role(role) for role in ("pickup", "total", "distance"))
        assert pickup is not None, "every dataset has a pickup time"
        return cls(pickup.name, amount.name if amount else None, distance.name if distance else None)

    @property
    def names(self) -> list[str]:
        """Those that there are."""
        return [name for name in (self.pickup, self.amount, self.distance) if name]


def sum_trips(schema: Schema, batches: Iterable[pa.RecordBatch]) -> Totals:
    """The control sums of conformed trips; the batches need no other columns than ``TotalsColumns`` names."""
    columns = TotalsColumns.of(schema)
    return join_totals(schema, (_sum_batch(columns, batch) for batch in batches))


def join_totals(schema: Schema, parts: Iterable[Totals]) -> Totals:
    """The control sums of all parts together."""
    rows, amounts, distances = 0, [0.0], [0.0]
    first = last = None
    for part in parts:
        rows += part.rows
        amounts.append(part.amounts or 0.0)
        distances.append(part.distances or 0.0)
        first = min((moment for moment in (first, part.first_pickup) if moment), default=None)
        last = max((moment for moment in (last, part.last_pickup) if moment), default=None)
    columns = TotalsColumns.of(schema)
    return Totals(
        rows,
        _add(amounts) if columns.amount else None,
        _add(distances) if columns.distance else None,
        first,
        last,
    )


def _add(numbers: list[float]) -> float:
    try:
        return math.fsum(numbers)
    except (ValueError, OverflowError):  # infinite values, which older loads let in, or sums beyond the largest double
        return sum(numbers)


def _sum_batch(columns: TotalsColumns, batch: pa.RecordBatch) -> Totals:
    times = pc.min_max(batch.column(columns.pickup)).as_py()
    return Totals(
        batch.num_rows, _sum(batch, columns.amount), _sum(batch, columns.distance), times["min"], times["max"]
    )


def _sum(batch: pa.RecordBatch, name: str | None) -> Any:
    return None if name is None else pc.sum(batch.column(name)).as_py()
