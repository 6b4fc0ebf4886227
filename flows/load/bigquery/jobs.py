"""Load jobs of one month: numbered, so that whoever comes next finds what was sent before, even after a kill.

A job's id is ``tlc-load-{BigQuery dataset}-{dataset}-{YYYYMM}-{number}``. BigQuery takes an id once, so:
- the number after the last one in the ledger is free, or taken by a job that nobody entered there: a load that was
  killed, is still running, or lost its answer. Its labels say what it carries.
- a job of the same objects is waited for and taken as one's own; nothing is loaded twice.
- one of other objects is waited for, and the next number is tried: two loads of a month never overtake each other,
  and the numbers tell in which order they came.
- a job that failed changed nothing (a load job is atomic); the next number is tried.
A number alone would do; that the content is a label and no part of the id is what lets others look it up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

from google.api_core import exceptions
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_RETRY

from flows.load.warehouse.protocol import WarehouseLoad
from flows.tlc.errors import TargetUnavailable
from flows.tlc.locations import trips_table

# Labels by which a job is recognised; BigQuery's audit log and billing export show them too.
CONTENT_LABEL, MANIFEST_LABEL, RUN_LABEL = "content_key", "manifest_key", "run_id"


@dataclass(frozen=True)
class JobTimeouts:
    """How long to wait, in seconds: ``poll`` between two looks at a job, ``job`` for one to end, ``request`` for one
    request with its retries, the first of them after ``pause``."""

    poll: float = 2.0
    job: float = 3600.0
    request: float = 120.0
    pause: float = 1.0

    @property
    def calls(self) -> dict[str, Any]:
        """The arguments ``retry`` and ``timeout`` of every call of the client."""
        retry = DEFAULT_RETRY.with_delay(initial=self.pause, maximum=30 * self.pause).with_timeout(self.request)
        return {"retry": retry, "timeout": self.request}


@dataclass(frozen=True)
class MonthJobs:
    """The load jobs of one month into one table."""

    client: bigquery.Client
    dataset_id: str
    location: str
    timeouts: JobTimeouts

    def find_unentered(self, load: WarehouseLoad, last: int) -> bool:
        """Whether a job after number ``last`` has changed the month, or may still: the ledger does not speak of it."""
        for number in count(last + 1):
            job = self._get(self._job_id(load, number))
            if job is None:
                return False
            if not (job.state == "DONE" and job.error_result):
                return True
        return False

    def run(
        self, load: WarehouseLoad, schema: list[bigquery.SchemaField], last: int, since: datetime
    ) -> tuple[int, bigquery.LoadJob]:
        """The month's number and the job that put the content there, done: an earlier one's, or a new one.

        ``since`` is when the tables were made: jobs that ended before are of tables that are gone. A new job may have
        failed. Raises TargetUnavailable if one does not end in time.
        """

        def insert(job_id: str) -> bigquery.LoadJob:
            return self.client.load_table_from_uri(
                load.uris,
                f"{self._destination(load)}${load.month.year:04d}{load.month.number:02d}",
                job_id=job_id,
                location=self.location,
                job_config=self._config(load, schema),
                **self.timeouts.calls,
            )

        def is_wanted(job: Any) -> bool:
            return not job.error_result and _is_of(job, load) and job.output_rows == load.rows and job.ended >= since

        names = (self._job_id(load, number) for number in count(last + 1))
        tried, job = self.run_named(names, insert, is_wanted)
        return last + tried, job

    def run_named(
        self, names: Iterator[str], insert: Callable[[str], Any], is_wanted: Callable[[Any], bool]
    ) -> tuple[int, Any]:
        """The first job that ``is_wanted`` under one of the names, or the new one under the first free name, done.

        Also says which of the names it was, from 1.
        """
        for place, job_id in enumerate(names, start=1):
            try:
                return place, self._wait(insert(job_id))
            except exceptions.Conflict:  # taken: by an earlier run, or by this very request, whose answer was lost
                found = self._get(job_id)
            if found is not None and is_wanted(self._wait(found)):
                return place, found
        raise AssertionError("the names never end")

    def _get(self, job_id: str) -> Any:
        try:
            return self.client.get_job(job_id, location=self.location, **self.timeouts.calls)
        except exceptions.NotFound:
            return None

    def _wait(self, job: Any) -> Any:
        deadline = time.monotonic() + self.timeouts.job
        while True:
            job.reload(**self.timeouts.calls)
            if job.state == "DONE":
                return job
            if time.monotonic() > deadline:
                raise TargetUnavailable(
                    f"BigQuery's job {job.project}:{job.location}.{job.job_id} is still {job.state} after "
                    f"{self.timeouts.job:.0f} s. It goes on; run again to wait for it, which loads nothing twice."
                )
            time.sleep(self.timeouts.poll)

    def _destination(self, load: WarehouseLoad) -> str:
        return f"{self.client.project}.{self.dataset_id}.{trips_table(load.dataset)}"

    def _job_id(self, load: WarehouseLoad, number: int) -> str:
        return f"tlc-load-{self.dataset_id}-{load.dataset}-{load.month.year:04d}{load.month.number:02d}-{number}"

    def _config(self, load: WarehouseLoad, schema: list[bigquery.SchemaField]) -> bigquery.LoadJobConfig:
        """CREATE_NEVER: the table was made with its partitioning; made by a job it would have none."""
        labels = {"dataset": str(load.dataset), "month": str(load.month), CONTENT_LABEL: load.content_key}
        return bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
            create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
            schema=schema,
            labels=labels | {MANIFEST_LABEL: load.manifest_key, RUN_LABEL: load.run_id},
        )


def _is_of(job: Any, load: WarehouseLoad) -> bool:
    """Whether the job read the load's very objects; for a forced load, whether it is its own."""
    is_own = job.labels.get(RUN_LABEL) == load.run_id
    return job.labels.get(MANIFEST_LABEL) == load.manifest_key and (is_own or not load.force)
