"""A month of the calendar as the sources name it: ``YYYY-MM``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

# Prefect's form shows it to who writes a month in another way: it has to be readable.
MONTH_PATTERN = "^20[0-9][0-9]-(0[1-9]|1[0-2])$"


@dataclass(frozen=True, order=True)
class Month:
    """One calendar month; orders, counts and prints as ``YYYY-MM``."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Month:
        """Read ``YYYY-MM``; raises ValueError with the right form in its message."""
        if not isinstance(text, str) or not re.fullmatch(MONTH_PATTERN.strip("^$"), text):
            raise ValueError(f"{text!r} is not a month: write it as YYYY-MM, for example 2020-10")
        return cls(int(text[:4]), int(text[5:]))

    @classmethod
    def of(cls, day: date | datetime) -> Month:
        """The month that a day lies in."""
        return cls(day.year, day.month)

    @property
    def first_day(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def start(self) -> datetime:
        """Its first instant, New York wall-clock time."""
        return datetime(self.year, self.number, 1)

    def plus(self, months: int) -> Month:
        """The month so many months later (earlier if negative)."""
        index = self.year * 12 + self.number - 1 + months
        return Month(index // 12, index % 12 + 1)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"


def newest_month(at: date | datetime) -> Month:
    """The newest month that TLC can have published by then: its files come 1.5 to 4 months after a month's end."""
    return Month.of(at).plus(-2)


def months_between(first: Month, last: Month) -> Iterator[Month]:
    """Every month from ``first`` to ``last``, both included; none if ``first`` is the later one."""
    month = first
    while month <= last:
        yield month
        month = month.plus(1)
