"""The warehouse: a month of the lake in a month of ``tlc.{dataset}_trips``, the same for BigQuery and a DuckDB file."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Protocol

import pyarrow as pa

from flows.decide.models import ModelBuild
from flows.decide.plan import LoadedMonth
from flows.load.lake.manifest import Manifest, ManifestObject
from flows.load.lake.protocol import Lake
from flows.load.marts import MartsReader
from flows.load.query import QueryLimits
from flows.tlc.dataset import Dataset
from flows.tlc.errors import CheckFailed, TargetMismatch
from flows.tlc.month import Month
from flows.tlc.report import LoadReport
from flows.tlc.schema import Schema, schema_of
from flows.tlc.totals import Totals
from flows.transform.conform import keeping


class Warehouse(Protocol):
    """Where the months of the lake are queried. Both backends promise the same: whole or not at all, once, counted."""

    @property
    def place(self) -> str:
        """Where the tables are, for people: ``BigQuery project.dataset in EU``, ``DuckDB file /path``."""
        ...

    def load_month(self, load: WarehouseLoad, *, is_current: Callable[[], bool] = lambda: True) -> LoadReport:
        """Replace the month by the manifest's objects, whole or not at all, and write the ledger.

        Returns ``unchanged`` if the month has this content already, unless ``load.force``. ``is_current`` says
        whether the lake still has what the manifest says; if not, nothing is entered in the ledger. Raises
        ParameterError for a lake that this warehouse cannot read, CheckFailed for a month without a row, TargetBusy,
        TargetUnavailable or TargetMismatch.
        """
        ...

    def create_lake_table(self, dataset: Dataset, lake_url: str) -> str:
        """Make ``tlc.{dataset}_trips_lake``, which reads the lake's day folders at each query; returns its name."""
        ...

    def load_codes(self, lake: Lake) -> None:
        """Bring the tables of names, ``tlc.zones`` and those of the codes, to what the lake has of them.

        Each is replaced whole; one that the lake does not have stays as it is. Raises TargetError and its kin.
        """
        ...

    def names_version(self) -> str:
        """What changes with the content of the tables of names; empty if there is none of them yet."""
        ...

    def sum_months(self, dataset: Dataset, first: Month, last: Month) -> dict[str, Totals]:
        """The control sums of each month from ``first`` to ``last`` that has rows, by month (YYYY-MM)."""
        ...

    def address(self, dataset: Dataset) -> str:
        """The dataset's table, as a query names it."""
        ...

    def query(self, sql: str, limits: QueryLimits) -> AbstractContextManager[pa.RecordBatchReader]:
        """The rows of one SELECT in this warehouse's SQL, batch by batch, as long as the context is open.

        Nothing else is run. Raises ParameterError for what is no SELECT or costs more than ``limits`` say, TargetError
        with what the warehouse says, TargetMismatch if there is no warehouse yet, TargetBusy or TargetUnavailable.
        """
        ...

    def read_loads(self, dataset: Dataset) -> dict[str, LoadedMonth]:
        """The last load of each month that the ledger knows, by month; whole if the table has its rows."""
        ...

    def ensure_sources(self) -> None:
        """Make what the models read and no load has made yet: tables and columns of every dataset, tables of names."""
        ...

    def read_builds(self) -> list[ModelBuild]:
        """What each month of the marts was built from; nothing of a mart that is not there any more."""
        ...

    def reading_marts(self) -> AbstractContextManager[MartsReader]:
        """A connection for reading the marts."""
        ...


@dataclass(frozen=True)
class WarehouseLoad:
    """One load of one month: what the lake says it has, where the lake is, and for whom it is done.

    ``flow_run_id`` also tells a forced load's own jobs from those of other loads of the same content. ``lake`` is for a
    warehouse that cannot read a bucket by itself.
    """

    manifest: Manifest
    lake_url: str
    force: bool = False
    flow_run_id: str | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    lake: Lake | None = field(default=None, repr=False)
    _own_id: str = field(default_factory=lambda: str(uuid.uuid4()), repr=False)

    @property
    def dataset(self) -> Dataset:
        return Dataset(self.manifest.report.dataset)

    @property
    def month(self) -> Month:
        return Month.parse(self.manifest.report.month)

    @property
    def content_key(self) -> str:
        return self.manifest.content_key

    @property
    def rows(self) -> int:
        return self.manifest.report.rows_loaded

    @property
    def run_id(self) -> str:
        """The flow run's id, or one of this load's own outside of a flow."""
        return self.flow_run_id or self._own_id

    @cached_property
    def schema(self) -> Schema:
        """The dataset's columns, with those of the manifest that no schema file declares as texts."""
        declared = schema_of(self.dataset)
        return keeping(declared, {name: name for name in self.manifest.columns if name not in declared.names})

    @property
    def objects(self) -> list[ManifestObject]:
        """The month's objects, once: the unpartitioned one, else one a day. Raises TargetMismatch if rows lack."""
        objects = self.manifest.of_layout("unpartitioned") or self.manifest.of_layout("partitioned")
        rows = sum(item.rows for item in objects)
        if not objects or rows != self.rows:
            raise TargetMismatch(
                f"the lake's manifest contradicts itself: {len(objects)} objects with {rows:,} rows, but "
                f"{self.rows:,} were loaded. Write the month anew with api_to_gcs and force=True; the warehouse is as "
                "it was."
            )
        return objects

    @property
    def manifest_key(self) -> str:
        """Equal for two loads of the very same objects."""
        parts = [self.content_key, *(f"{item.name} {item.crc32c} {item.generation}" for item in self.objects)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    @property
    def uris(self) -> list[str]:
        """The address of each object: exactly the manifest's, never a wildcard that may match another's."""
        return [f"{self.lake_url.rstrip('/')}/{item.name}" for item in self.objects]

    def refuse_empty(self) -> None:
        """Raise CheckFailed if the lake's month has no row: replacing a month by nothing needs ``force``."""
        if not self.rows and not self.force:
            raise CheckFailed(
                "the lake has the month without a row, expected trips; the warehouse is as it was. Write the lake's "
                "month anew with api_to_gcs; force=True puts it in without a row."
            )

    def report(self) -> LoadReport:
        """What the load did: the lake's counts, for no row is read, changed or left out on the way."""
        seconds = round((datetime.now(UTC) - self.started_at).total_seconds(), 3)
        changes = {"target": "bigquery", "status": "loaded", "bytes_read": 0, "seconds": seconds}
        return self.manifest.report.model_copy(update=changes)


def has_objects(lake: Lake, load: WarehouseLoad) -> bool:
    """Whether the lake still has the manifest's version of the month: what was read meanwhile is one version."""
    now = lake.read_manifest(load.dataset, load.month)
    if now is None or now.content_key != load.content_key:
        return False
    found = [(lake.find(item.name), item) for item in load.objects]
    return all(
        is_there and (is_there.bytes, is_there.generation) == (item.bytes, item.generation) for is_there, item in found
    )
