"""The course's homework on green trips: which rows stay, and the column that it adds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.tlc.errors import CheckFailed, TripLoadError
from flows.transform.days import DayCounts
from flows.transform.stream import Counts, TripStream

PICKUP = "lpep_pickup_datetime"
PICKUP_DATE = "lpep_pickup_date"
# The homework's two filters, in its order: a row without a value does not pass either.
FILTERS = {"passenger_count_not_above_0": "passenger_count", "trip_distance_not_above_0": "trip_distance"}


@dataclass
class HomeworkStream:
    """The kept rows of several months, one after the other, with their pickup date.

    ``counts`` and ``days`` (the kept rows by pickup date) are over all months. The columns are those
    of the months' files, renamed to snake case, null for months without them, and ``lpep_pickup_date`` last.
    """

    months: Sequence[TripStream]
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        months = [stream.conformer.month for stream in self.months]
        self.days = DayCounts(min(months).first_day, max(months).plus(1).first_day)

    @cached_property
    def schema(self) -> pa.Schema:
        fields = [self.months[0].schema.field(name) for name in self._names]
        return pa.schema([*fields, pa.field(PICKUP_DATE, pa.date32(), nullable=False)])

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for month in self.months:
            try:
                for trips in month:
                    kept = self._keep(trips)
                    if kept.num_rows:
                        yield self._with_pickup_date(kept)
                if not month.counts.rows_read:
                    raise CheckFailed(
                        "the file has no rows, expected trips. Look at what the mirror has, or leave it out."
                    )
            except TripLoadError as error:
                conformer = month.conformer
                error.with_context(str(conformer.schema.dataset), str(conformer.month))
                raise
            self.counts.rows_read += month.counts.rows_read
            self.counts.rejected.update(month.counts.rejected)

    def fraction_read(self) -> float:
        """How much of all the files has been read, between 0 and 1, each file counted alike."""
        return sum(month.file.fraction_read() for month in self.months) / len(self.months)

    @cached_property
    def _names(self) -> list[str]:
        places = zip(*(month.conformer.positions for month in self.months), strict=True)
        columns = zip(self.months[0].conformer.schema.columns, places, strict=True)
        return [column.name for column, of_months in columns if any(place is not None for place in of_months)]

    def _keep(self, trips: pa.RecordBatch) -> pa.RecordBatch:
        for rule, column in FILTERS.items():
            passes = pc.fill_null(pc.greater(trips.column(column), 0), False)
            before, trips = trips.num_rows, trips.filter(passes)
            if before > trips.num_rows:
                self.counts.rejected[rule] += before - trips.num_rows
        self.counts.rows_loaded += trips.num_rows
        self.days.add(trips.column(PICKUP))
        return trips

    def _with_pickup_date(self, trips: pa.RecordBatch) -> pa.RecordBatch:
        columns: list[Any] = [trips.column(name) for name in self._names]
        return pa.RecordBatch.from_arrays(
            [*columns, pc.cast(trips.column(PICKUP), pa.date32(), safe=False)], schema=self.schema
        )
