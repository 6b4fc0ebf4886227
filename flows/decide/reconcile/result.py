"""What a reconciliation found: every month, what each place has of it, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from flows.tlc.report import Target
from flows.tlc.totals import Totals

Kind = Literal["missing", "damaged", "republished", "differs", "empty"]
# Months that the sentence of a failed run names one by one; its table has all.
_TOLD = 3


class Difference(BaseModel):
    """One thing that is not as it should be, in one place."""

    kind: Kind
    target: Target
    place: str = Field(description="The target, with the layout in the lake")
    sentence: str


class MonthComparison(BaseModel):
    """One month in all of its places."""

    month: str = Field(description="The file's month, YYYY-MM")
    source_rows: int | None = Field(None, description="Rows of the source's file; None if that was not asked")
    places: dict[str, Totals | None] = Field(description="What each place has; None if it has nothing to add up")
    reference: Totals | None = Field(None, description="What the places were compared with")
    differences: list[Difference] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list, description="What is worth knowing, and no difference")

    @property
    def sentence(self) -> str:
        """What differs, one after the other."""
        return "; ".join(difference.sentence for difference in self.differences)


class ReconcileReport(BaseModel):
    """What ``reconcile`` compared, and what it found."""

    dataset: str
    start_month: str | None = Field(description="First month compared; None if nothing is loaded")
    end_month: str | None
    targets: list[Target]
    check_source: str
    months: list[MonthComparison]
    seconds: float = 0.0

    @property
    def differing(self) -> list[MonthComparison]:
        """The months in which anything differs."""
        return [month for month in self.months if month.differences]

    @property
    def sentence(self) -> str:
        """Which months differ, in which targets, and what to do; or that they are equal."""
        differing, places = self.differing, ", ".join(self.targets)
        if not self.months:
            return "Nothing is loaded, so there is nothing to compare."
        if not differing and len(self.months) == 1:
            return f"{self.months[0].month} is the same in {places}."
        if not differing:
            return f"The {len(self.months)} months {self.start_month}..{self.end_month} are the same in {places}."
        told = "; ".join(f"{month.month}: {month.sentence}" for month in differing[:_TOLD])
        more = f"; and {len(differing) - _TOLD} more months" if len(differing) > _TOLD else ""
        verb = "differs" if len(differing) == 1 else "differ"
        return f"{len(differing)} of {len(self.months)} months {verb}: {told}{more}. {_remedy(differing)}"


def _remedy(differing: Sequence[MonthComparison]) -> str:
    found = [difference for month in differing for difference in month.differences]
    targets = ", ".join(f"'{target}'" for target in dict.fromkeys(difference.target for difference in found))
    by_itself = all(difference.kind in ("missing", "republished") for difference in found)
    force = "" if by_itself else " and force=True"
    return f"Run backfill for them with targets=[{targets}]{force}, and reconcile again."
