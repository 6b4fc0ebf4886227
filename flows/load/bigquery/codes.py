"""The tables of names in BigQuery: a load job each replaces the rows by the lake's object, then a label says which.

The label is written last, and only on the table as the job has left it: of two loads at once one finds the table
changed by the other, leaves its label, and the next load puts the table right. Looking costs one request, which lists
the dataset's tables with their labels.
"""

from __future__ import annotations

import uuid
from itertools import count
from typing import Any

from google.api_core import exceptions
from google.cloud import bigquery

from flows.load.bigquery.jobs import MonthJobs
from flows.load.bigquery.tables import BigQueryTables
from flows.load.lake.protocol import Lake
from flows.load.warehouse.codes import behind_lake
from flows.tlc.codes import CodeRows
from flows.tlc.errors import TargetMismatch
from flows.tlc.locations import codes_object

VERSION_LABEL = "version"


def load_codes(tables: BigQueryTables, jobs: MonthJobs, lake: Lake) -> None:
    """Bring the tables of names to what the lake has. Raises TargetMismatch if a job fails, and BigQuery's errors."""
    for rows in behind_lake(lake, tables.read_labels(VERSION_LABEL)):
        table = tables.ensure_codes(rows.table)
        if rows.version:
            _load(jobs, table, lake.url_of(codes_object(rows.name)), rows)
            _label(tables, table, rows)


def _load(jobs: MonthJobs, table: bigquery.Table, uri: str, rows: CodeRows) -> None:
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET,
        write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
        create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
        schema=list(table.schema),
        labels={"purpose": "tlc-codes", VERSION_LABEL: rows.version},
    )

    def insert(job_id: str) -> bigquery.LoadJob:
        return jobs.client.load_table_from_uri(
            [uri], table.reference, job_id=job_id, location=jobs.location, job_config=config, **jobs.timeouts.calls
        )

    def is_done(job: Any) -> bool:
        return not job.error_result

    # A number for each try, below a name that nobody else has: an answer that is lost is no second load.
    own = f"tlc-codes-{jobs.dataset_id}-{rows.name}-{uuid.uuid4().hex}"
    _, job = jobs.run_named((f"{own}-{number}" for number in count(1)), insert, is_done)
    if job.error_result:
        raise TargetMismatch(
            f"BigQuery's load job {job.project}:{job.location}.{job.job_id} of {uri} into {table} failed, and the "
            f"table is as it was: {job.error_result.get('message')}"
        )


def _label(tables: BigQueryTables, table: bigquery.Table, rows: CodeRows) -> None:
    found = tables.client.get_table(table.reference, **tables.timeouts.calls)
    found.labels = {**found.labels, VERSION_LABEL: rows.version}
    try:
        tables.client.update_table(found, ["labels"], **tables.timeouts.calls)
    except exceptions.PreconditionFailed:
        return  # another load has changed the table since: its label counts, or the next load's
