"""What one place, and what a source, has of a month: the values that are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from flows.tlc.dataset import Dataset, Source
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import month_file_name
from flows.tlc.month import Month
from flows.tlc.report import LoadReport, Target
from flows.tlc.rules import UNLOADABLE
from flows.tlc.totals import Totals

CheckSource = Literal["rows", "sums", "none"]


@dataclass(frozen=True)
class MonthInTarget:
    """What one place has of a month. ``load`` is the last one in its ledger, ``totals`` what its rows add up to.

    ``name`` is the target's, with the layout in the lake; ``damage`` says why there are no totals, in sentences.
    """

    name: str
    target: Target
    load: LoadReport | None = None
    totals: Totals | None = None
    damage: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return self.load is None and self.totals is None


@dataclass(frozen=True)
class MonthAtSource:
    """What a source has of a month now; all but ``published`` as far as it was asked.

    ``identity`` names the file's version, ``raw`` has its rows and pickups, ``conformed`` the sums of its conformed
    rows, by the rules that drop rows. ``trouble`` says why the file could not be looked at, in a sentence.
    """

    published: bool
    identity: str | None = None
    raw: Totals | None = None
    conformed: Mapping[frozenset[str], Totals] = field(default_factory=dict, hash=False)
    trouble: str | None = None


def source_of(load: LoadReport) -> Source:
    """The source that a load's file came from; of one that does not say, by the file's name."""
    if load.source is not None:
        return load.source
    dataset, month = Dataset(load.dataset), Month.parse(load.month)
    is_mirror = load.source_url.endswith(month_file_name(dataset, month, Source.mirror))
    return Source.mirror if is_mirror else Source.tlc


def dropped_rules(load: LoadReport) -> frozenset[str]:
    """The rules for which rows were left out; those that left out none make no difference."""
    return frozenset(rule for rule, rows in load.rejected_by_rule.items() if rows and rule not in UNLOADABLE)


def asked_again(load: LoadReport) -> MonthRequest:
    """What a load was asked for, from TLC: how a newer version of its month is to be loaded into the same target.

    One that does not say is taken to have been asked for the rules that rejected a row.
    """
    return MonthRequest(
        Dataset(load.dataset),
        Month.parse(load.month),
        drop_rules=dropped_rules(load) if load.drop_rules is None else frozenset(load.drop_rules),
        new_columns=load.new_columns or "fail",
    )
