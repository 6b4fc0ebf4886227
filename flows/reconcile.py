"""The same months at the source, in Postgres, the lake and the warehouse: are they the same?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from prefect import flow
from prefect.runtime import flow_run

from flows.decide.plan import LoadedMonths
from flows.decide.reconcile.observed import CheckSource
from flows.decide.reconcile.result import ReconcileReport
from flows.parameters import (
    CheckSourceChoice,
    ComparedTargets,
    DatasetName,
    FirstLoadedMonth,
    LastLoadedMonth,
    check_order,
    month_or_none,
)
from flows.tasks.plan import read_ledgers
from flows.tasks.policy import with_context
from flows.tasks.reconcile import Scope, compare_months
from flows.tlc.dataset import Dataset, Source, dataset_info
from flows.tlc.errors import MonthsDiffer, ParameterError
from flows.tlc.month import Month, months_between
from flows.tlc.report import TARGETS, Target
from flows.ui.reconcile import publish_reconciliation


def _run_name() -> str:
    given = flow_run.get_parameters()
    first, last = given.get("start_month") or "", given.get("end_month") or ""
    return f"reconcile {given['dataset']} {f'{first}..{last}' if first or last else 'all months'}"


@flow(
    name="reconcile",
    flow_run_name=_run_name,
    timeout_seconds=24 * 3600,  # all of a dataset, with the sums of every file at the source
    persist_result=False,
)
def reconcile(
    dataset: DatasetName,
    start_month: FirstLoadedMonth = None,
    end_month: LastLoadedMonth = None,
    targets: ComparedTargets = [],  # noqa: B006 - never changed; the UI's form shows it as an empty list
    check_source: CheckSourceChoice = "rows",
) -> ReconcileReport:
    """Compare each month at the source, in Postgres, in the lake and in BigQuery, and fail if anything differs.

    Compared are rows, the sums of totals and of distances, first and last pickup; each target with its own ledger,
    with the source's file, and with the others; and the lake's objects with their manifest. A month that one place
    has and another lacks is a difference; one that is not published is not. The run's table has a row a month, with
    what differs in words; the event `tlc.reconcile.differs` tells others of it. Nothing is changed anywhere.

    Requires: the blocks of the targets and of the source (`python -m blocks.register`).
    """
    started_at = datetime.now(UTC)
    dataset = Dataset(dataset)
    first, last = _given_range(dataset, start_month, end_month)
    with with_context(str(dataset)):
        ledgers = read_ledgers(dataset, targets or TARGETS)
        scope = _scope(dataset, (first, last), targets, ledgers, check_source)
        months = compare_months(scope, ledgers, scope.months)
        if any(month.differences for month in months.values()):
            now = read_ledgers(dataset, scope.targets)
            months |= compare_months(scope, now, _loaded_meanwhile(scope, ledgers, now))
    report = ReconcileReport(
        dataset=str(dataset),
        start_month=str(scope.months[0]) if scope.months else None,
        end_month=str(scope.months[-1]) if scope.months else None,
        targets=list(scope.targets),
        check_source=check_source,
        months=list(months.values()),
        seconds=round((datetime.now(UTC) - started_at).total_seconds(), 3),
    )
    publish_reconciliation(report)
    if report.differing:
        raise MonthsDiffer(report.sentence, report=report, dataset=report.dataset)
    return report


def _given_range(dataset: Dataset, start: str | None, end: str | None) -> tuple[Month | None, Month | None]:
    """The months that were given; raises ParameterError if they are no range, or TLC can never have them."""
    first, last = month_or_none(start), month_or_none(end)
    for month in (first, last):
        if month:
            dataset_info(dataset).check_month(month, Source.tlc)
    check_order(first, last, dataset)
    return first, last


def _scope(
    dataset: Dataset,
    given: tuple[Month | None, Month | None],
    targets: Sequence[Target],
    ledgers: LoadedMonths,
    check_source: CheckSource,
) -> Scope:
    """What is compared: what was asked for, by default all that is loaded. Raises ParameterError if that is nothing.

    If nothing was asked for and nothing is loaded, that is no error: a schedule may be there before the first load.
    """
    loaded = sorted({Month.parse(month) for by_month in ledgers.values() for month in by_month})
    if not loaded and not any(given) and not targets:
        return Scope(dataset, (), (), check_source)
    chosen = [target for target in TARGETS if (target in targets if targets else ledgers.get(target))]
    first, last = given[0] or next(iter(loaded), None), given[1] or next(reversed(loaded), None)
    if not chosen or first is None or last is None or first > last:
        where = ", ".join(chosen or TARGETS)
        raise ParameterError(
            f"{where} has no month to compare between {first or 'the first'} and {last or 'the last'}: load some "
            "first, with backfill, or give start_month and end_month.",
            dataset=str(dataset),
        )
    # Without a range: what is loaded, and not what was left out on purpose.
    months = months_between(first, last) if any(given) else loaded
    return Scope(dataset, tuple(months), tuple(chosen), check_source)


def _loaded_meanwhile(scope: Scope, before: LoadedMonths, now: LoadedMonths) -> list[Month]:
    """The months that another run loaded while this one compared them, which may be why they differ."""
    return [
        month
        for month in scope.months
        if any(before[target].get(str(month)) != now[target].get(str(month)) for target in scope.targets)
    ]
