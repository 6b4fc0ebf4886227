"""What is wrong with the rows of a file that cannot be loaded, column by column: for the month's error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from flows.tlc.column import Column
from flows.tlc.dataset import Dataset
from flows.transform.looks_like import EXPECTED, looks_like, shown_value

_VALUES = 2
_COLUMNS = 3
# So many columns with unfit values at once are no matter of each column.
_SHIFTED = 4


@dataclass
class Unfit:
    """The values of one column that do not fit it: how many, the first two as the file has them, and its type there."""

    column: Column
    kind: pa.DataType
    rows: int = 0
    values: list[Any] = field(default_factory=list)

    def add(self, value: Any) -> None:
        """Count one more."""
        self.rows += 1
        if len(self.values) < _VALUES and value not in self.values:
            self.values.append(value)

    def __str__(self) -> str:
        shown = " and ".join(shown_value(value) for value in self.values)
        values = f"{self.rows:,} values such as" if self.rows > 1 else "the value"
        return f"{self.column.name} has {values} {shown} ({self._looks}; expected {EXPECTED[self.column.type]})"

    @property
    def _looks(self) -> str:
        if pa.types.is_timestamp(self.kind):
            zone = self.kind.tz
            return f"its times have the time zone {zone}" if zone else "a time before the year 1 or after 9999"
        return " and ".join(dict.fromkeys(looks_like(value, self.column) for value in self.values))


@dataclass
class Faults:
    """All faults of a file so far."""

    unfit: dict[str, Unfit] = field(default_factory=dict)
    missing: Counter[str] = field(default_factory=Counter)
    bad_lines: int = 0
    lines: list[str] = field(default_factory=list)

    def add(self, unfit: Iterable[Unfit], missing: Counter[str]) -> None:
        """Those of one more batch."""
        self.missing += missing
        for found in unfit:
            known = self.unfit.setdefault(found.column.name, Unfit(found.column, found.kind))
            known.rows += found.rows
            known.values = (known.values + [one for one in found.values if one not in known.values])[:_VALUES]

    def add_lines(self, lines: Iterable[str]) -> None:
        """Lines that are no rows: what is wrong with each, and its text."""
        for line in lines:
            self.bad_lines += 1
            if len(self.lines) < _VALUES and line not in self.lines:
                self.lines.append(line)

    def sentence(self) -> str:
        """The worst columns and lines, with values."""
        worst = sorted(self.unfit.values(), key=lambda unfit: -unfit.rows)
        parts = [str(unfit) for unfit in worst[:_COLUMNS]]
        if len(worst) > _COLUMNS:
            parts.append(f"so have {len(worst) - _COLUMNS} more columns")
        parts += [f"{name} has no value in {rows:,} rows" for name, rows in self.missing.items()]
        if self.lines:
            parts.append(f"{self.bad_lines:,} lines that are no rows, such as {' and '.join(self.lines)}")
        return "; ".join(parts)

    def remedy(self, dataset: Dataset) -> str:
        """What to do about it."""
        coded = next((unfit.column for unfit in self.unfit.values() if unfit.column.text_codes), None)
        if len(self.unfit) >= _SHIFTED:
            return "Look at the file's first lines: its columns may have shifted."
        if coded:
            return (
                f"If these words are new ones, declare them under text_codes of {coded.name} in "
                f"flows/tlc/schemas/{dataset}.toml."
            )
        return "Look at what the source delivers there: python -m flows preview shows it."
