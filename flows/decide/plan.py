"""What has to be done for a month: from what the source has and what each target has loaded. Pure decisions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from flows.tlc.catalogue import expected_size
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import LAYOUTS, Layout
from flows.tlc.month import Month
from flows.tlc.report import LoadReport, Target

Action = Literal["load", "unchanged", "not_published", "not_in_lake"]


@dataclass(frozen=True)
class LoadedMonth:
    """The current load of a month in a target.

    ``layouts`` are those that the lake has; ``is_intact`` is False if some or all of its rows are not there any more.
    """

    report: LoadReport
    content_key: str
    loaded_at: datetime
    layouts: frozenset[Layout] = frozenset()
    is_intact: bool = True


@dataclass(frozen=True)
class SourceVersion:
    """A month's file as the source has it now. ``identity`` is None if its version is known only after a download."""

    identity: str | None
    bytes: int | None = None


# What each target has loaded, by month (YYYY-MM).
LoadedMonths = Mapping[Target, Mapping[str, LoadedMonth]]
# Whether a load is of the version that the source has now.
SameVersion = Callable[[MonthRequest, LoadedMonth, SourceVersion], bool]


@dataclass(frozen=True)
class MonthPlan:
    """What is to be done for a month in each target, and how much of it there is to expect.

    ``at_source`` is None if the month is not published; ``rows`` and ``bytes`` are None if they are not known.
    ``loaded`` is what the targets have.
    """

    request: MonthRequest
    at_source: SourceVersion | None
    actions: Mapping[Target, Action] = field(hash=False)
    loaded: Mapping[Target, LoadedMonth | None] = field(default_factory=dict, hash=False)
    rows: int | None = None
    bytes: int | None = None

    @property
    def to_load(self) -> list[Target]:
        """The targets that the month has to be loaded into, in the order of loading."""
        return [target for target, action in self.actions.items() if action == "load"]


def plan_month(
    request: MonthRequest,
    at_source: SourceVersion | None,
    loaded: Mapping[Target, LoadedMonth | None],
    targets: Collection[Target],
    *,
    layouts: Collection[Layout],
    force: bool = False,
    expected: tuple[int, int] | None = None,
    same_version: SameVersion | None = None,
) -> MonthPlan:
    """Compare the source with what each of ``targets`` has loaded.

    A load is current if it is of the same file, conformed the same way; or, if it is given, as ``same_version`` says.
    ``expected`` has rows and bytes from the catalogue; the source's own length is preferred.
    """
    wanted = None if at_source is None or at_source.identity is None else request.content_key(at_source.identity)

    def same(target: Target) -> bool:
        found = loaded.get(target)
        if found is None or not found.is_intact or at_source is None:
            return False
        return same_version(request, found, at_source) if same_version else found.content_key == wanted

    actions: dict[Target, Action] = {}
    for target in ("postgres", "gcs"):
        if target in targets:
            whole = same(target) and (target == "postgres" or _has_layouts(loaded[target], layouts))
            actions[target] = "not_published" if at_source is None else "unchanged" if whole and not force else "load"
    if "bigquery" in targets:
        actions["bigquery"] = _warehouse_action(loaded, actions.get("gcs"), wanted, force)
    rows, size = expected or (None, None)
    length = at_source.bytes if at_source and at_source.bytes else size
    return MonthPlan(request, at_source, actions, loaded, rows, length)


def plans_of(
    requests: Sequence[MonthRequest],
    targets: Collection[Target],
    ledgers: LoadedMonths,
    at_source: Mapping[Month, SourceVersion | None],
    *,
    layouts: Collection[Layout] = LAYOUTS,
    force: bool = False,
    same_version: SameVersion | None = None,
) -> list[MonthPlan]:
    """What there is to do for each month, given what the targets have loaded and what the source has."""
    return [
        plan_month(
            request,
            at_source[request.month],
            {target: months.get(str(request.month)) for target, months in ledgers.items()},
            targets,
            layouts=layouts,
            force=force,
            expected=expected_size(request.dataset, request.month, _identity(at_source[request.month])),
            same_version=same_version,
        )
        for request in requests
    ]


def _identity(version: SourceVersion | None) -> str | None:
    return version.identity if version else None


def and_followed(targets: Collection[Target]) -> set[Target]:
    """The targets, and the lake if the warehouse is one of them: it follows the lake."""
    return {*targets, "gcs"} if "bigquery" in targets else set(targets)


def _has_layouts(found: LoadedMonth | None, layouts: Collection[Layout]) -> bool:
    return found is not None and (found.report.rows_loaded == 0 or found.layouts >= set(layouts))


def _warehouse_action(
    loaded: Mapping[Target, LoadedMonth | None], lake_action: Action | None, wanted: str | None, force: bool
) -> Action:
    """Compare the warehouse with the lake as it will be once its own action is done."""
    lake, warehouse = loaded.get("gcs"), loaded.get("bigquery")
    if lake_action == "load":
        key = wanted
    elif lake is None:
        return "not_published" if lake_action == "not_published" else "not_in_lake"
    else:
        key = lake.content_key
    is_current = warehouse is not None and warehouse.is_intact and warehouse.content_key == key
    return "unchanged" if is_current and not force else "load"
