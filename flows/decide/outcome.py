"""What became of a month in each of its targets, and of all months of a backfill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from flows.decide.plan import LoadedMonths, MonthPlan
from flows.tlc.report import TARGETS, LoadReport, Status, Target

TargetStatus = Status | Literal["failed", "skipped"]


class TargetOutcome(BaseModel):
    """One month in one target. ``report`` is None if the load failed, was skipped, or ran on another machine."""

    target: Target
    status: TargetStatus
    rows_loaded: int = Field(0, description="Rows of the month that the target has now")
    sentence: str | None = Field(None, description="Why it failed or was skipped, and what to do")
    report: LoadReport | None = None

    @classmethod
    def of(cls, report: LoadReport) -> TargetOutcome:
        """The outcome of a load that did not fail."""
        return cls(target=report.target, status=report.status, rows_loaded=report.rows_loaded, report=report)


class MonthOutcome(BaseModel):
    """One month in all of its targets."""

    dataset: str
    month: str = Field(description="The file's month, YYYY-MM")
    legs: list[TargetOutcome]

    @property
    def failed(self) -> bool:
        return any(leg.status == "failed" for leg in self.legs)

    @property
    def sentence(self) -> str:
        """What failed, in the errors' own words, each said once; empty if nothing did."""
        targets: dict[str, list[str]] = {}
        for leg in self.legs:
            if leg.status == "failed":
                targets.setdefault(leg.sentence or "no reason was given.", []).append(leg.target)
        return " ".join(f"→ {', '.join(names)}: {sentence}" for sentence, names in targets.items())

    @property
    def reports(self) -> list[LoadReport]:
        """The reports of the loads in this process that did not fail."""
        return [leg.report for leg in self.legs if leg.report is not None]

    @property
    def statuses(self) -> dict[Target, TargetStatus]:
        """The status in each target."""
        return {leg.target: leg.status for leg in self.legs}


class ModelsOutcome(BaseModel):
    """What became of the models in a target, once its months were loaded."""

    target: Target
    status: Literal["built", "unchanged", "failed"]
    sentence: str | None = Field(None, description="Why it failed, and what to do")


class _ManyMonths(BaseModel):
    """What reports of many months have in common."""

    targets: list[Target]
    months: list[MonthOutcome] = Field(default_factory=list)
    models: list[ModelsOutcome] = Field(default_factory=list, description="The models that were built at the end")
    seconds: float = 0.0

    @property
    def reports(self) -> list[LoadReport]:
        """The reports of all loads in this process that did not fail, in the months' order."""
        return [report for month in self.months for report in month.reports]

    @property
    def failed(self) -> list[MonthOutcome]:
        """The months that failed in at least one target."""
        return [month for month in self.months if month.failed]

    @property
    def models_sentence(self) -> str:
        """Why models were not built; empty if they were, or nobody asked."""
        return " ".join(outcome.sentence or "" for outcome in self.models if outcome.status == "failed")


class BackfillReport(_ManyMonths):
    """Every month of a backfill and its outcome; with ``plan_only`` what would be done, and nothing was."""

    dataset: str
    start_month: str
    end_month: str
    plan_only: bool = False
    plan: list[dict[str, Any]] = Field(default_factory=list, description="The plan: a row a month, as it is shown")

    @property
    def has_any(self) -> bool:
        """Whether any month was there to be loaded, or is already loaded, in any target."""
        return any(leg.status in ("loaded", "unchanged", "failed") for month in self.months for leg in month.legs)

    def months_of(self, status: TargetStatus) -> list[str]:
        """The months that have this status in at least one target."""
        return [month.month for month in self.months if status in month.statuses.values()]


class SyncReport(_ManyMonths):
    """Every month that is new at the source, or not out yet, and its outcome."""

    not_out_yet: dict[str, str] = Field(description="The first month of each dataset that is not published yet")
    failed_datasets: dict[str, str] = Field(
        default_factory=dict, description="Why the months of a dataset could not be looked at at all"
    )

    @property
    def loaded(self) -> list[str]:
        """``green 2020-10`` of each month that was loaded into at least one target."""
        return [f"{month.dataset} {month.month}" for month in self.months if "loaded" in month.statuses.values()]


def failure_sentence(months: Sequence[MonthOutcome], total: int) -> str:
    """One sentence about the months that failed, and what to do; the first three in the errors' own words."""
    told = "; ".join(f"{month.dataset} {month.month} {month.sentence}" for month in months[:3])
    more = f"; and {len(months) - 3} more" if len(months) > 3 else ""  # noqa: PLR2004
    return (
        f"{len(months)} of {total} months failed: {told}{more} Run it again when that is mended: it loads only what "
        "is missing."
    )


def outcomes_of(plans: Sequence[MonthPlan], loaded: Sequence[MonthOutcome]) -> list[MonthOutcome]:
    """Every planned month and its outcome: what was loaded, and what its plans left as it is."""
    done = {(outcome.month, leg.target): leg for outcome in loaded for leg in outcome.legs}
    legs: dict[str, dict[Target, TargetOutcome]] = {}
    for plan in plans:
        month = str(plan.request.month)
        these = {target: done.get((month, target)) or _left(plan, target) for target in plan.actions}
        legs.setdefault(month, {}).update(these)
    return [
        MonthOutcome(dataset=str(plans[0].request.dataset), month=month, legs=[of[t] for t in TARGETS if t in of])
        for month, of in legs.items()
    ]


_LEFT: Mapping[str, tuple[TargetStatus, str | None]] = {
    "unchanged": ("unchanged", None),
    "not_published": ("not_published", None),
    "not_in_lake": ("skipped", "the lake does not have the month: add gcs to the targets."),
}


def _left(plan: MonthPlan, target: Target) -> TargetOutcome:
    status, sentence = _LEFT.get(plan.actions[target], ("skipped", "it was not begun."))
    current = plan.loaded.get(target)
    rows = current.report.rows_loaded if current else 0
    return TargetOutcome(target=target, status=status, sentence=sentence, rows_loaded=rows)


def reconciled_with_ledger(
    outcome: MonthOutcome,
    before: LoadedMonths,
    after: LoadedMonths,
) -> MonthOutcome:
    """The outcome as the targets' ledgers have it: a run on another machine says only how it ended."""

    def settle(leg: TargetOutcome) -> TargetOutcome:
        was, now = before[leg.target].get(outcome.month), after[leg.target].get(outcome.month)
        rows = now.report.rows_loaded if now else 0
        if now is not None and now != was:
            return leg.model_copy(update={"status": "loaded", "sentence": None, "rows_loaded": rows})
        if leg.status == "loaded":
            return leg.model_copy(update={"status": "unchanged" if now else "not_published", "rows_loaded": rows})
        return leg.model_copy(update={"rows_loaded": rows})

    return outcome.model_copy(update={"legs": [settle(leg) for leg in outcome.legs]})
