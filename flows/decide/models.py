"""Which months of the models have to be built, and what building them came to. Pure decisions on plain values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from flows.decide.plan import LoadedMonth
from flows.tlc.dataset import Dataset

# Where models can be built; bigquery is the warehouse, whichever it is, as in all flows.
ModelsTarget = Literal["postgres", "bigquery"]
# What one run of dbt builds at most: so much is lost when it is killed, and so many values are compared at once.
MOST_MONTHS, MOST_ROWS = 12, 20_000_000
# How many months or failures a sentence names.
MOST_SHOWN = 5


@dataclass(frozen=True)
class ModelBuild:
    """What a month of a mart was built from: the load of one dataset, and the version of the models' SQL."""

    model: str
    dataset: str
    month: str
    loaded_at: datetime
    version: str


@dataclass(frozen=True)
class TripsLoad:
    """The load of a dataset's month whose rows the target has."""

    dataset: str
    month: str
    loaded_at: datetime
    rows: int


def intact_loads(ledgers: Mapping[Dataset, Mapping[str, LoadedMonth]]) -> list[TripsLoad]:
    """The loads whose rows are there: a month that was removed, or damaged, is in the ledger alone."""
    return [
        TripsLoad(str(dataset), month, found.loaded_at, found.report.rows_loaded)
        for dataset, months in ledgers.items()
        for month, found in months.items()
        if found.is_intact
    ]


def months_to_build(
    loads: Iterable[TripsLoad],
    builds: Iterable[ModelBuild],
    models: Collection[str],
    version: str,
    *,
    first: str | None = None,
    last: str | None = None,
    everything: bool = False,
) -> list[str]:
    """The months (YYYY-MM) from ``first`` to ``last`` of which a model was built from something else than is there now.

    That is a load that is new or was done again, one that was removed since, or another version of the models' SQL or
    of the names that marts have from tables.
    ``everything``: whether or not anything changed.
    """
    wanted: dict[str, set[tuple[str, datetime, str]]] = {}
    for load in loads:
        wanted.setdefault(load.month, set()).add((load.dataset, load.loaded_at, version))
    found: dict[tuple[str, str], set[tuple[str, datetime, str]]] = {}
    for build in builds:
        found.setdefault((build.month, build.model), set()).add((build.dataset, build.loaded_at, build.version))
    months = wanted.keys() | {month for month, model in found if model in models}
    return [
        month
        for month in sorted(months)
        if (first is None or first <= month) and (last is None or month <= last)
        if everything or any(found.get((month, model), set()) != wanted.get(month, set()) for model in models)
    ]


def are_outdated(builds: Iterable[ModelBuild], models: Collection[str], sql_version: str) -> bool:
    """Whether a table of these models was made by other SQL than ``sql_version``, with which versions begin."""
    return any(not build.version.startswith(sql_version) for build in builds if build.model in models)


def in_portions(months: Sequence[str], loads: Iterable[TripsLoad]) -> Iterator[list[str]]:
    """The months in order, in groups that one run of dbt builds."""
    rows = dict.fromkeys(months, 0)
    for load in loads:
        if load.month in rows:
            rows[load.month] += load.rows
    portion: list[str] = []
    for month in months:
        if portion and (len(portion) == MOST_MONTHS or sum(rows[one] for one in [*portion, month]) > MOST_ROWS):
            yield portion
            portion = []
        portion.append(month)
    if portion:
        yield portion


NodeStatus = Literal["built", "passed", "warned", "failed", "skipped"]


class ModelNode(BaseModel):
    """A model or a test that dbt ran, in one of the portions."""

    kind: Literal["model", "test", "hook"]
    name: str
    status: NodeStatus
    model: str | None = Field(None, description="The model that a test is of")
    seconds: float = 0.0
    rows: int | None = Field(None, description="The rows that a test found wrong")
    message: str = Field("", description="What dbt or the database says")
    query: str | None = Field(None, description="The query of a test, which shows these rows")

    @property
    def sentence(self) -> str:
        """What failed, in one sentence: a test with its model, its rows and the query that shows them."""
        if self.kind == "test" and self.rows:
            counted = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
            return f"model {self.model} fails its test {self.name} in {counted}: {' '.join((self.query or '').split())}"
        return f"{self.kind} {self.name} failed: {' '.join(self.message.split()).rstrip('.')}"


class ModelsReport(BaseModel):
    """What building the models came to: ``unchanged`` if nothing had to be built."""

    target: ModelsTarget
    place: str = Field("", description="Where the models are")
    months: list[str] = Field(default_factory=list, description="The months that were built, YYYY-MM")
    nodes: list[ModelNode] = Field(default_factory=list, description="Every model and test that was run, in order")
    seconds: float = 0.0
    status: Literal["built", "unchanged", "failed"] = "unchanged"

    def of(self, kind: str, status: NodeStatus) -> list[ModelNode]:
        """The models, or the tests, that have this status."""
        return [node for node in self.nodes if (node.kind, node.status) == (kind, status)]

    @property
    def failures(self) -> list[ModelNode]:
        """The models and tests that failed."""
        return [node for node in self.nodes if node.status == "failed"]

    @property
    def failure_sentence(self) -> str:
        """A sentence for each of the first failures, and what to do."""
        shown = "; ".join(node.sentence for node in self.failures[:MOST_SHOWN])
        more = len(self.failures) - MOST_SHOWN
        return (
            f"{shown}{f'; and {more} more' if more > 0 else ''}. The months that were built stay; those that failed "
            "are built again by the next run."
        )

    @property
    def sentence(self) -> str:
        """The outcome in one sentence."""
        if self.status == "unchanged":
            return f"{self.target}: the models are up to date."
        months = ", ".join(self.months[:MOST_SHOWN]) + (", …" if len(self.months) > MOST_SHOWN else "")
        models = len({node.name for node in self.of("model", "built")})
        return (
            f"{self.target}: {models} models built for {len(self.months)} months ({months}); "
            f"{len(self.of('test', 'passed'))} tests passed, {len(self.of('test', 'warned'))} warn, "
            f"{len(self.failures)} failed."
        )
