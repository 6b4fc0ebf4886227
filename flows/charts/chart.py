"""What a chart of the report is: a query, which all engines answer, and a picture of its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from string import Template
from typing import Any

import altair as alt

from flows.tlc.month import Month

# The most rows that a query may have: it adds up what there is to show.
MOST_ROWS = 5_000
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Chart:
    """A chart of the mart ``key``.

    ``words`` say what it shows and leaves out. ``query``: its SQL, with ``$marts`` for the schema, ``$first`` and
    ``$last`` for the months' first days; ``draw`` makes the picture of its rows, of which there is at least one.
    """

    key: str
    title: str
    words: str
    query: str
    draw: Callable[[Sequence[Row]], alt.TopLevelMixin]

    def sql(self, sql_names: Mapping[str, str], first: Month, last: Month) -> str:
        """The query for the months from ``first`` to ``last``, as it can be run by hand.

        Every name comes from the engine and every date from a month: there is nothing to quote.
        """
        days = {"first": first.first_day.isoformat(), "last": last.first_day.isoformat()}
        return Template(self.query).substitute(sql_names, **days).strip()


def plain_row(row: Mapping[str, Any]) -> Row:
    """A row of any engine as JSON has it: the first day of a month as ``YYYY-MM``, every number as int or float."""
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return str(Month.of(value))
    return float(value) if isinstance(value, Decimal) else value
