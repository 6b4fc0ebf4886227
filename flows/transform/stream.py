"""One pass over a file's batches: conform, check, set the rejected apart, count. The heart of every load."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.extract.read import MOST_ROWS, TripFile
from flows.tlc.errors import TooManyBadRows
from flows.tlc.rules import MAX_UNLOADABLE_SHARE, UNLOADABLE
from flows.transform.check import Check, checks_for
from flows.transform.conform import Conformer
from flows.transform.days import DayCounts
from flows.transform.faults import Faults, shown_value
from flows.transform.rejected import rejected_lines, rejected_rows

# Rows of a CSV file before its length tells how many there can be.
_ROWS_TO_JUDGE_BY = 200_000


@dataclass
class Counts:
    """Rows so far. ``rejected`` by the one rule that rejected each; ``flagged``: loaded, by every rule they break."""

    rows_read: int = 0
    rows_loaded: int = 0
    rows_flagged: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    flagged: Counter[str] = field(default_factory=Counter)

    @property
    def rows_rejected(self) -> int:
        return self.rejected.total()

    @property
    def nothing_loaded(self) -> str | None:
        """Why there is no row to load, in words; None if there is one."""
        if self.rows_loaded:
            return None
        rules = ", ".join(f"{rows:,} {rule}" for rule, rows in self.rejected.items())
        return f"all {self.rows_read:,} rows of the file are rejected ({rules})" if rules else "the file has no rows"

    @property
    def rows_unloadable(self) -> int:
        return sum(self.rejected[rule] for rule in UNLOADABLE)


@dataclass
class TripStream:
    """Conformed batches of one file, once through. ``on_rejected`` gets the rejected rows batch by batch.

    ``counts`` and ``days`` (the loaded rows by pickup date) are true once the stream has ended. ``schema`` is that of
    the batches. Raises TooManyBadRows if more than ``max_unloadable_share`` of the rows cannot be loaded at all, as
    soon as that is certain.
    """

    file: TripFile
    conformer: Conformer
    on_rejected: Callable[[pa.RecordBatch], None]
    drop_rules: Collection[str] = ()
    max_unloadable_share: float = MAX_UNLOADABLE_SHARE
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        month, pickup = self.conformer.month, self.conformer.schema.role("pickup")
        assert pickup is not None, "every dataset has a pickup time"
        self.days = DayCounts(month.first_day, month.plus(1).first_day)
        self._pickup = pickup.name
        self._faults = Faults()

    @property
    def schema(self) -> pa.Schema:
        return self.conformer.schema.arrow

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        checks = checks_for(self.conformer.schema, self.conformer.month)
        for raw in self.file.batches():
            self._reject_ragged()
            trips = self._conform_and_check(raw, checks)
            self._check_unloadable(self._most_rows(), "the first ")
            if trips.num_rows:
                yield trips
        self._reject_ragged()
        self._check_unloadable(self.counts.rows_read)

    def _conform_and_check(self, raw: pa.RecordBatch, checks: tuple[Check, ...]) -> pa.RecordBatch:
        first_row = self.counts.rows_read + 1
        self.counts.rows_read += raw.num_rows
        conformed = self.conformer.conform(raw)
        self._faults.add(conformed.uncastable, conformed.missing)
        rejected = dict(conformed.unloadable)
        broken: list[tuple[str, Any]] = []
        for check in checks:
            mask = check.mask(conformed.trips)
            if mask is None:
                continue
            if check.rule.name in self.drop_rules:
                for row in pc.indices_nonzero(mask).to_pylist():
                    rejected.setdefault(row, (check.rule.name, None))
            else:
                broken.append((check.rule.name, mask))
        trips = conformed.trips
        if rejected:
            self._reject(raw, rejected, first_row)
            keep = _all_but(rejected, raw.num_rows)
            trips = trips.filter(keep)
            broken = [(name, mask.filter(keep)) for name, mask in broken]
        self._flag(broken)
        self.counts.rows_loaded += trips.num_rows
        self.days.add(trips.column(self._pickup))
        return trips.cast(self.schema) if trips.schema != self.schema else trips

    def _reject(self, raw: pa.RecordBatch, rejected: dict[int, tuple[str, str | None]], first_row: int) -> None:
        rows = sorted(rejected)
        rules, details = [rejected[row][0] for row in rows], [rejected[row][1] for row in rows]
        self.counts.rejected.update(rules)
        self.on_rejected(rejected_rows(raw, rows, rules, details, first_row))

    def _reject_ragged(self) -> None:
        lines = self.file.take_ragged()
        if lines:
            batch = rejected_lines(lines)
            self.counts.rows_read += len(lines)
            self.counts.rejected.update(batch.column("rule").to_pylist())
            self._faults.add_lines(f"{shown_value(line.text)} ({line.problem})" for line in lines)
            self.on_rejected(batch)

    def _flag(self, broken: list[tuple[str, Any]]) -> None:
        any_broken = None
        for name, mask in broken:
            rows = pc.sum(mask).as_py() or 0
            if rows:
                self.counts.flagged[name] += rows
                any_broken = mask if any_broken is None else pc.or_(any_broken, mask)
        if any_broken is not None:
            self.counts.rows_flagged += pc.sum(any_broken).as_py()

    def _most_rows(self) -> float:
        """How many rows the file can have at most, as far as that is known."""
        read = self.counts.rows_read
        if self.file.rows is not None:
            return self.file.rows if self.file.rows > read else math.inf  # the end is near, which tells all
        # The rest of a CSV file would need twice as many rows a byte as what was read: no file of trips has that. Until
        # then what is read ahead (two blocks, of at most 70,000 rows each) hides how far the rows are.
        if read < _ROWS_TO_JUDGE_BY:
            return MOST_ROWS
        # A file may claim a long rest: zeros may follow a gzip stream.
        return min(2 * read / self.file.fraction_read(), MOST_ROWS)

    def _check_unloadable(self, most_rows: float, first: str = "") -> None:
        bad, read = self.counts.rows_unloadable, self.counts.rows_read
        if bad > self.max_unloadable_share * most_rows:
            worst = ", ".join(
                f"{self.counts.rejected[rule]:,} {rule}" for rule in UNLOADABLE if self.counts.rejected[rule]
            )
            raise TooManyBadRows(
                f"{bad:,} of {first}{read:,} rows cannot be loaded ({worst}); at most {self.max_unloadable_share:.1%} "
                f"may: {self._faults.sentence()}. The target is as it was. "
                f"{self._faults.remedy(self.conformer.schema.dataset)}"
            )


def _all_but(rows: Collection[int], total: int) -> Any:
    kept = np.ones(total, bool)
    kept[list(rows)] = False
    return pa.array(kept)
