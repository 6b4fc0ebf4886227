"""Load a month into BigQuery: one load job replaces its partition, from exactly the manifest's objects.

Why nothing is loaded twice, no reader sees half, and the ledger tells the truth:
- A load job with WRITE_TRUNCATE on ``table$YYYYMM`` is atomic. Until it is done, and when it fails, the partition is
  as it was. The rows go from Cloud Storage to BigQuery; none passes through this machine.
- Job ids are numbers in a row for each month (``jobs``). After a kill between job and ledger the next run
  finds the job under the next number, waits for it, and only writes the ledger.
- ``unchanged`` needs three things: the ledger's last load has this content, its partition has that many rows, and no
  job was sent after it. So a load whose ledger row is missing is never mistaken for the one before.
- The ledger's row is written by one statement under an id made from the load job's, so that a retry adds none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from google.cloud import bigquery

from flows.decide.models import ModelBuild
from flows.decide.plan import LoadedMonth
from flows.load.bigquery import models
from flows.load.bigquery import totals as bigquery_totals
from flows.load.bigquery.codes import VERSION_LABEL, load_codes
from flows.load.bigquery.errors import bigquery_errors, job_failure
from flows.load.bigquery.jobs import JobTimeouts, MonthJobs
from flows.load.bigquery.lake_table import create_lake_table
from flows.load.bigquery.ledger import MAX_BYTES_BILLED, BigQueryLedger
from flows.load.bigquery.marts import marts_reader
from flows.load.bigquery.query import open_query
from flows.load.bigquery.tables import BigQueryTables
from flows.load.codes import names_version
from flows.load.lake.protocol import Lake
from flows.load.ledger import unchanged
from flows.load.marts import MartsReader
from flows.load.query import QueryLimits
from flows.load.warehouse.ledger import loaded_months_of, report_of
from flows.load.warehouse.protocol import WarehouseLoad
from flows.tlc.dataset import Dataset
from flows.tlc.errors import ParameterError, TargetBusy, TargetMismatch
from flows.tlc.locations import trips_table
from flows.tlc.month import Month
from flows.tlc.report import LoadReport
from flows.tlc.totals import Totals


@dataclass(frozen=True)
class BigQueryWarehouse:
    """The dataset ``dataset_id`` of the client's project.

    ``location``: where it is, or is made if it is missing; None takes it as it is, or makes it in the US.
    ``max_bytes_billed``: what one query of this project may cost at most, in bytes.
    """

    client: bigquery.Client
    dataset_id: str = "tlc"
    location: str | None = None
    max_bytes_billed: int = MAX_BYTES_BILLED
    timeouts: JobTimeouts = field(default_factory=JobTimeouts)

    @property
    def place(self) -> str:
        return f"BigQuery {self.client.project}.{self.dataset_id}" + (f" in {self.location}" if self.location else "")

    def find_location(self) -> str | None:
        """Where the dataset is, or is to be made; None: Google decides. Raises TargetMismatch if it is elsewhere."""
        with bigquery_errors(self.place):
            return self._tables.find_location(self.location) or self.location

    def load_month(self, load: WarehouseLoad, *, is_current: Callable[[], bool] = lambda: True) -> LoadReport:
        """Replace the month's partition by the manifest's objects, whole or not at all, and write the ledger.

        See ``Warehouse.load_month``. Raises TargetMismatch if the job fails on the data, with all that BigQuery
        says, or if it took another number of rows than the manifest has.
        """
        _check_lake(load.lake_url)
        with bigquery_errors(self.place):
            location = self._tables.find_location(self.location) or self._tables.make_dataset(self.location)
            jobs, ledger = self._at(location)
            last = ledger.last_load(load.dataset, str(load.month))
            if not load.force and (found := _current(load, jobs, last)):
                return found
            load.refuse_empty()
            trips, loads = self._tables.ensure_trips(load.schema), self._tables.ensure_ledger()
            since = max(trips.created, loads.created)
            number, job = jobs.run(load, list(trips.schema), last["load_id"] if last else 0, since)
            if not is_current():  # first: what the job missed may be what was replaced
                raise TargetBusy(
                    "the lake's month was written anew while BigQuery read it, so which of the two the table has is "
                    "not known, and the ledger says nothing of it. Run again: the month is loaded again."
                )
            _check_job(load, job)
            report = load.report()
            ledger.enter(load, report, number, job.ended, job.job_id)
            return report

    def create_lake_table(self, dataset: Dataset, lake_url: str) -> str:
        """Make an external table over the lake's day folders; returns its address. See ``lake_table``."""
        _check_lake(lake_url)
        return create_lake_table(self._tables, dataset, lake_url, self.location)

    def load_codes(self, lake: Lake) -> None:
        """See Warehouse. A load job for each table that is behind; one request if none is."""
        _check_lake(lake.url)
        with bigquery_errors(self.place):
            location = self._tables.find_location(self.location) or self._tables.make_dataset(self.location)
            load_codes(self._tables, self._at(location)[0], lake)

    def names_version(self) -> str:
        """See Warehouse."""
        with self._reading() as ledger:
            return names_version(self._tables.read_labels(VERSION_LABEL)) if ledger else ""

    def sum_months(self, dataset: Dataset, first: Month, last: Month) -> dict[str, Totals]:
        """See Warehouse. Costs what the columns of these months' partitions do, whatever ``max_bytes_billed`` says."""
        with self._reading() as ledger:
            return bigquery_totals.sum_months(ledger, dataset, first, last) if ledger else {}

    def address(self, dataset: Dataset) -> str:
        """See Warehouse."""
        return f"`{self._tables.address(trips_table(dataset))}`"

    @contextmanager
    def query(self, sql: str, limits: QueryLimits) -> Iterator[pa.RecordBatchReader]:
        """See Warehouse."""
        allowed = limits.max_bytes or self.max_bytes_billed
        with open_query(self.client, sql, self.location, allowed, self.timeouts) as rows:
            yield rows

    def read_loads(self, dataset: Dataset) -> dict[str, LoadedMonth]:
        """See Warehouse."""
        with self._reading() as ledger:
            rows = ledger.last_loads(dataset) if ledger else []
            return loaded_months_of(rows, ledger.count_rows(dataset) if ledger and rows else {})

    def ensure_sources(self) -> None:
        """See Warehouse."""
        with bigquery_errors(self.place):
            self._tables.find_location(self.location) or self._tables.make_dataset(self.location)
            models.ensure_sources(self._tables)

    def read_builds(self) -> list[ModelBuild]:
        """See Warehouse."""
        with self._reading() as ledger:
            return models.read_builds(ledger) if ledger else []

    @contextmanager
    def reading_marts(self) -> Iterator[MartsReader]:
        """See Warehouse."""
        with self._reading() as ledger:
            yield marts_reader(ledger, self.place)

    @contextmanager
    def _reading(self) -> Iterator[BigQueryLedger | None]:
        with bigquery_errors(self.place):
            location = self._tables.find_location(self.location)
            yield self._at(location)[1] if location else None

    @property
    def _tables(self) -> BigQueryTables:
        return BigQueryTables(self.client, self.dataset_id, self.timeouts)

    def _at(self, location: str) -> tuple[MonthJobs, BigQueryLedger]:
        jobs = MonthJobs(self.client, self.dataset_id, location, self.timeouts)
        return jobs, BigQueryLedger(jobs, self.max_bytes_billed)


def _check_lake(lake_url: str) -> None:
    if not lake_url.startswith("gs://"):
        raise ParameterError(
            f"BigQuery reads from Cloud Storage alone, and the lake is {lake_url}. Set TLC_LAKE_URL=gs://bucket, "
            "run 'python -m blocks.register' and api_to_gcs; or take a DuckDB file as the warehouse "
            "(TLC_WAREHOUSE_URL=duckdb:///path), which reads a lake in a folder."
        )


def _current(load: WarehouseLoad, jobs: MonthJobs, last: dict[str, Any] | None) -> LoadReport | None:
    """The last load's report if it has the content, its rows are there, and nothing came after it."""
    if last is None or last["content_key"] != load.content_key:
        return None
    if (last["partition_rows"] or 0) != last["rows_loaded"] or jobs.find_unentered(load, last["load_id"]):
        return None
    return unchanged(report_of(last))


def _check_job(load: WarehouseLoad, job: Any) -> None:
    if job.error_result:
        raise job_failure(job, load.schema.names, f"flows/tlc/schemas/{load.dataset}.toml")
    if job.output_rows != load.rows:
        raise TargetMismatch(
            f"BigQuery's load job {job.project}:{job.location}.{job.job_id} wrote {job.output_rows:,} rows, but the "
            f"lake's manifest has {load.rows:,}. The partition holds those {job.output_rows:,} rows now, and the "
            "ledger does not speak of them. Write the month's objects anew with api_to_gcs and force=True, and run "
            "again."
        )
