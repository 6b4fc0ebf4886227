"""What has to be done for a month: from what the source has and what stands in each target. Pure decisions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from flows.tlc.identity import MonthRequest
from flows.tlc.locations import Layout
from flows.tlc.report import LoadReport, Target

Action = Literal["load", "unchanged", "not_published", "not_in_lake"]


@dataclass(frozen=True)
class LoadedMonth:
    """The load of a month that stands in a target.

    ``layouts`` are those that the lake has; ``is_whole`` is False where the rows are not (all) there any more.
    """

    report: LoadReport
    content_key: str
    loaded_at: datetime
    layouts: frozenset[Layout] = frozenset()
    is_whole: bool = True


@dataclass(frozen=True)
class SourceVersion:
    """A month's file as the source has it now. ``identity`` is None where its version cannot be told beforehand."""

    identity: str | None
    bytes: int | None = None


# Whether a load is of the version that the source has now.
SameVersion = Callable[[MonthRequest, LoadedMonth, SourceVersion], bool]


@dataclass(frozen=True)
class MonthPlan:
    """What is to be done for a month in each target, and how much of it there is to expect.

    ``at_source`` is None where the month is not published; ``rows`` and ``bytes`` where nobody knows. ``standing``
    is what the targets have.
    """

    request: MonthRequest
    at_source: SourceVersion | None
    actions: Mapping[Target, Action] = field(hash=False)
    standing: Mapping[Target, LoadedMonth | None] = field(default_factory=dict, hash=False)
    rows: int | None = None
    bytes: int | None = None

    @property
    def to_load(self) -> list[Target]:
        """The targets that the month has to be loaded into, in the order of the legs."""
        return [target for target, action in self.actions.items() if action == "load"]


def plan_month(
    request: MonthRequest,
    at_source: SourceVersion | None,
    standing: Mapping[Target, LoadedMonth | None],
    targets: Collection[Target],
    *,
    layouts: Collection[Layout],
    force: bool = False,
    expected: tuple[int, int] | None = None,
    same_version: SameVersion | None = None,
) -> MonthPlan:
    """Compare the source with what stands in each of ``targets``.

    A load stands if it is of the same file, conformed the same way; or, where it is given, as ``same_version`` says.
    ``expected`` has rows and bytes as somebody once counted them; the source's own length counts more.
    """
    wanted = None if at_source is None or at_source.identity is None else request.content_key(at_source.identity)

    def same(target: Target) -> bool:
        found = standing.get(target)
        if found is None or not found.is_whole or at_source is None:
            return False
        return same_version(request, found, at_source) if same_version else found.content_key == wanted

    actions: dict[Target, Action] = {}
    for target in ("postgres", "gcs"):
        if target in targets:
            whole = same(target) and (target == "postgres" or _has_layouts(standing[target], layouts))
            actions[target] = "not_published" if at_source is None else "unchanged" if whole and not force else "load"
    if "bigquery" in targets:
        actions["bigquery"] = _warehouse_action(standing, actions.get("gcs"), wanted, force)
    rows, size = expected or (None, None)
    length = at_source.bytes if at_source and at_source.bytes else size
    return MonthPlan(request, at_source, actions, standing, rows, length)


def _has_layouts(found: LoadedMonth | None, layouts: Collection[Layout]) -> bool:
    return found is not None and (found.report.rows_loaded == 0 or found.layouts >= set(layouts))


def _warehouse_action(
    standing: Mapping[Target, LoadedMonth | None], lake_action: Action | None, wanted: str | None, force: bool
) -> Action:
    """The warehouse follows the lake, as that will be by then."""
    lake, warehouse = standing.get("gcs"), standing.get("bigquery")
    if lake_action == "load":
        key = wanted
    elif lake is None:
        return "not_published" if lake_action == "not_published" else "not_in_lake"
    else:
        key = lake.content_key
    stands = warehouse is not None and warehouse.is_whole and warehouse.content_key == key
    return "unchanged" if stands and not force else "load"
