"""The control sums as SQL: the one select that Postgres, DuckDB and BigQuery all answer, and how to read its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from flows.tlc.month import Month
from flows.tlc.schema import Schema
from flows.tlc.totals import Totals
from flows.transform.totals import TotalsColumns


def totals_select(schema: Schema) -> str:
    """``source_month`` and the five measures, for a query that groups by ``source_month``.

    Names come from the schema files, where they are plain identifiers in every dialect.
    """
    columns = TotalsColumns.of(schema)
    return ", ".join(
        [
            "source_month",
            "count(*) as trips",
            f"{_sum(columns.amount)} as amounts",
            f"{_sum(columns.distance)} as distances",
            f"min({columns.pickup}) as first_pickup",
            f"max({columns.pickup}) as last_pickup",
        ]
    )


def totals_by_month(rows: Iterable[Sequence[Any]]) -> dict[str, Totals]:
    """The rows of such a query, by month (YYYY-MM)."""
    return {str(Month.of(month)): Totals(*measures) for month, *measures in rows}


def _sum(name: str | None) -> str:
    return f"coalesce(sum({name}), 0.0)" if name else "null"
