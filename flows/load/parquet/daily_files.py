"""One Parquet file a pickup date, from batches in any order, with a bound on what is kept of all days together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from flows.load.parquet.file import ParquetFile, RowGroups, as_date, pickup_days

# Batches are split by day at once if that gives each day about that many rows, else several of them together, up to
# the second number: a few calls for many rows, whatever the order of the file.
ROWS_A_DAY = 1 << 12
SPLIT_ROWS = 1 << 16
# All days together keep at most that in memory. Files are nearly in the order of pickup, so that few days are open at
# a time; in a file without any order each day gets a row group whenever it is the longest.
BUFFERED_BYTES = 24 << 20


@dataclass
class DailyFiles:
    """Files of one day each below ``folder``; ``name_of`` says what a day's file is called in the lake.

    ``pickup`` is the column that has the day; if ``drop_pickup``, it is in the path alone.
    """

    folder: Path
    schema: pa.Schema
    pickup: str
    name_of: Callable[[date], str]
    drop_pickup: bool = False
    buffered_bytes: int = BUFFERED_BYTES
    _days: dict[int, RowGroups] = field(default_factory=dict)
    _waiting: list[tuple[pa.RecordBatch, Any]] = field(default_factory=list)
    _waiting_days: set[int] = field(default_factory=set)
    _waiting_rows: int = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep the batch; write the days that are full."""
        days = pickup_days(batch, self.pickup).cast(pa.int32()).to_numpy()
        self._waiting.append((batch, days))
        self._waiting_rows += batch.num_rows
        self._waiting_days.update(np.unique(days).tolist())
        if self._waiting_rows >= min(ROWS_A_DAY * len(self._waiting_days), SPLIT_ROWS):
            self._split()

    def finish(self) -> list[ParquetFile]:
        """Write the rest; the files in the order of their days."""
        self._split()
        return [self._days.pop(day).finish(self.name_of(as_date(day)), "partitioned") for day in sorted(self._days)]

    def abandon(self) -> None:
        """Close the files as they are; they are of no use."""
        for groups in self._days.values():
            groups.abandon()

    def _split(self) -> None:
        if not self._waiting:
            return
        batches = [batch for batch, _ in self._waiting]
        batch = batches[0] if len(batches) == 1 else pa.concat_batches(batches)
        days = np.concatenate([days for _, days in self._waiting])
        is_one_day = len(self._waiting_days) == 1
        self._waiting.clear()
        self._waiting_days.clear()
        self._waiting_rows = 0
        for day, rows in [(int(days[0]), batch)] if is_one_day else _by_day(batch, days):
            self._keep(day, rows)

    def _keep(self, day: int, rows: pa.RecordBatch) -> None:
        self._groups_of(day).add(rows.drop_columns([self.pickup]) if self.drop_pickup else rows)
        while sum(groups.buffered_bytes for groups in self._days.values()) > self.buffered_bytes:
            max(self._days.values(), key=lambda groups: groups.buffered_bytes).flush()

    def _groups_of(self, day: int) -> RowGroups:
        if day not in self._days:
            self._days[day] = RowGroups(self.folder / f"{as_date(day)}.parquet", self.schema)
        return self._days[day]


def _by_day(batch: pa.RecordBatch, days: Any) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of each day, in their order, as batches of their own: none holds on to the memory of another's."""
    order = np.argsort(days, kind="stable")
    starts = np.flatnonzero(np.diff(days[order], prepend=days[order[0]] - 1))
    for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
        yield int(days[order[start]]), batch.take(pa.array(order[start:end]))
