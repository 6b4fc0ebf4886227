"""The rules that a trip can break, read from ``rules.toml``, and the names of what cannot be loaded at all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from flows.tlc.column import Role
from flows.tlc.dataset import read_toml
from flows.tlc.schema import Schema

Test = Literal["outside_month", "before", "below", "above", "equal", "unknown_zone", "unknown_code"]

# Rows under these can never be loaded; they are rejected whatever ``drop_rules`` says.
MISSING_PICKUP = "missing_pickup"
UNFIT_VALUE = "unfit_value"
RAGGED_LINE = "ragged_line"
UNLOADABLE = {
    MISSING_PICKUP: "It has no pickup time.",
    UNFIT_VALUE: "A value does not fit its column's type.",
    RAGGED_LINE: "The line has more or fewer fields than the header, or a stray quote.",
}
# The share of a file's rows that may be unloadable before the month fails. The complete months at hand have none;
# 1 % leaves room for a vendor's bad day and still catches a shifted column, which spoils every row.
MAX_UNLOADABLE_SHARE = 0.01


@dataclass(frozen=True)
class Rule:
    """One thing that can be odd about a trip; ``value`` is in the unit of the first role's column."""

    name: str
    test: Test
    roles: tuple[Role, ...]
    description: str
    value: float | None = None

    def applies_to(self, schema: Schema) -> bool:
        """Whether the dataset has the columns that the rule is about."""
        return all(schema.role(role) is not None for role in self.roles)


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule, in the file's order."""
    return tuple(
        Rule(name, entry["test"], tuple(entry["roles"]), entry["description"], entry.get("value"))
        for name, entry in read_toml("rules.toml").items()
    )


def rules_for(schema: Schema) -> tuple[Rule, ...]:
    """The rules that apply to a dataset."""
    return tuple(rule for rule in rules() if rule.applies_to(schema))
