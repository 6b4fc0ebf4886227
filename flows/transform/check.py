"""Evaluate the rules on a conformed batch. Checks return masks; what a broken rule means is the caller's decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from flows.tlc.column import Column
from flows.tlc.month import Month
from flows.tlc.rules import Rule, rules_for
from flows.tlc.schema import Schema, zones

Mask: TypeAlias = pa.BooleanArray
Values: TypeAlias = "pa.Array[Any]"


@dataclass(frozen=True)
class Check:
    """A rule, bound to the columns of one dataset and to one month."""

    rule: Rule
    columns: tuple[str, ...]
    broken_by: Callable[..., Mask]

    def mask(self, trips: pa.RecordBatch) -> Mask | None:
        """True for each row that breaks the rule (a missing value breaks none); None if no row does."""
        mask = self.broken_by(*(trips.column(name) for name in self.columns))
        return pc.fill_null(mask, False) if pc.any(mask).as_py() else None


def checks_for(schema: Schema, month: Month) -> tuple[Check, ...]:
    """The checks of a file of ``month``, in the rules' order."""
    return tuple(_bind(rule, schema, month) for rule in rules_for(schema))


def _bind(rule: Rule, schema: Schema, month: Month) -> Check:
    columns = [column for role in rule.roles if (column := schema.role(role)) is not None]
    return Check(rule, tuple(column.name for column in columns), _TESTS[rule.test](rule, month, columns))


def _outside_month(_rule: Rule, month: Month, columns: list[Column]) -> Callable[[Values], Mask]:
    start, end = (pa.scalar(moment.start, columns[0].arrow) for moment in (month, month.plus(1)))
    return lambda pickup: pc.or_(pc.less(pickup, start), pc.greater_equal(pickup, end))


def _before(_rule: Rule, _month: Month, _columns: list[Column]) -> Callable[[Values, Values], Mask]:
    return pc.less


def _compare(function: Callable[..., Mask]) -> Callable[..., Callable[[Values], Mask]]:
    def bind(rule: Rule, _month: Month, columns: list[Column]) -> Callable[[Values], Mask]:
        threshold = pa.scalar(rule.value, pa.float64()).cast(columns[0].arrow)
        return lambda values: function(values, threshold)

    return bind


def _unknown_zone(_rule: Rule, _month: Month, columns: list[Column]) -> Callable[[Values], Mask]:
    first, last = (pa.scalar(zone, columns[0].arrow) for zone in (zones().first, zones().last))
    return lambda zone: pc.or_(pc.less(zone, first), pc.greater(zone, last))


def _unknown_code(_rule: Rule, _month: Month, columns: list[Column]) -> Callable[[Values], Mask]:
    known = pa.array(sorted(columns[0].codes), columns[0].arrow)
    return lambda codes: pc.and_(pc.is_valid(codes), pc.invert(pc.is_in(codes, value_set=known)))


_TESTS: dict[str, Callable[[Rule, Month, list[Column]], Callable[..., Mask]]] = {
    "outside_month": _outside_month,
    "before": _before,
    "below": _compare(pc.less),
    "above": _compare(pc.greater),
    "equal": _compare(pc.equal),
    "unknown_zone": _unknown_zone,
    "unknown_code": _unknown_code,
}
