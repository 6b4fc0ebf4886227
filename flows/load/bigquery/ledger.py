"""The ledger in BigQuery: asked with the partition's rows in one query, written by one statement under a job id.

Every query carries ``maximum_bytes_billed``: BigQuery refuses what would cost more, before it costs anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

from google.api_core import exceptions
from google.cloud import bigquery

from flows.load.bigquery.jobs import MonthJobs
from flows.load.ledger import LEDGER, LEDGER_TABLE
from flows.load.warehouse.ledger import ledger_row
from flows.load.warehouse.protocol import WarehouseLoad
from flows.tlc.dataset import Dataset
from flows.tlc.locations import trips_table
from flows.tlc.report import LoadReport

# The least that BigQuery bills is 10 MiB a table, and the ledger of 500 months is smaller than that.
MAX_BYTES_BILLED = 100 * 1024**2

LAST_LOAD = """
select loads.*, (
    select sum(total_rows) from `{dataset}.INFORMATION_SCHEMA.PARTITIONS`
    where table_name = @table and partition_id = @partition
) as partition_rows
from `{dataset}.{ledger}` as loads
where dataset = @dataset and month = @month
order by load_id desc
limit 1
"""
LAST_LOADS = """
select *
from `{dataset}.{ledger}`
where dataset = @dataset
qualify row_number() over (partition by month order by load_id desc) = 1
order by month
"""
ROWS_BY_PARTITION = """
select partition_id, sum(total_rows) as trips
from `{dataset}.INFORMATION_SCHEMA.PARTITIONS`
where table_name = @table and total_rows > 0
group by partition_id
order by partition_id
"""
# The job's id keeps two runs from entering a load twice; the condition does so when BigQuery has forgotten the id,
# after 180 days.
ENTER_LOAD = """
insert into `{dataset}.{ledger}` ({columns})
select {values}
from (select 1)
where not exists (
    select 1 from `{dataset}.{ledger}` where dataset = @dataset and month = @month and load_id = @load_id
)
"""


@dataclass(frozen=True)
class BigQueryLedger:
    """The ledger of one dataset, and what the partitions hold."""

    jobs: MonthJobs
    max_bytes_billed: int = MAX_BYTES_BILLED

    def last_load(self, dataset: Dataset, month: str) -> dict[str, Any] | None:
        """The row of the month's last load, with ``partition_rows``, what its partition holds; None if no load was.

        A dataset or a ledger that does not exist has no loads.
        """
        values = {"dataset": str(dataset), "month": month, "table": trips_table(dataset)}
        rows = self.rows(self._filled(LAST_LOAD), values | {"partition": month.replace("-", "")})
        return rows[0] if rows else None

    def last_loads(self, dataset: Dataset) -> list[dict[str, Any]]:
        """The row of each month's last load."""
        return self.rows(self._filled(LAST_LOADS), {"dataset": str(dataset)})

    def count_rows(self, dataset: Dataset) -> dict[str, int]:
        """The rows of each month's partition; costs the least that a query can, whatever the table's size."""
        rows = self.rows(self._filled(ROWS_BY_PARTITION), {"table": trips_table(dataset)})
        return {f"{row['partition_id'][:4]}-{row['partition_id'][4:]}": int(row["trips"]) for row in rows}

    def enter(
        self, load: WarehouseLoad, report: LoadReport, number: int, loaded_at: datetime, load_job_id: str
    ) -> None:
        """Add the load's row, once, however often this is called. Raises what BigQuery answers."""
        row = ledger_row(load, report, number, loaded_at)
        values = ", ".join(
            f"parse_json(@{column.name})" if column.bigquery == "JSON" else f"@{column.name}" for column in LEDGER
        )
        sql = self._filled(ENTER_LOAD, ", ".join(column.name for column in LEDGER), values)
        parameters = [
            bigquery.ScalarQueryParameter(column.name, *_parameter(column.bigquery, row[column.name]))
            for column in LEDGER
        ]

        def insert(job_id: str) -> bigquery.QueryJob:
            return self._query(sql, parameters, job_id=job_id)

        names = (f"{load_job_id}-ledger-{attempt}" for attempt in count(1))
        _, job = self.jobs.run_named(names, insert, lambda found: not found.error_result)
        job.result()

    def rows(self, sql: str, values: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """The rows of a query with these texts as parameters; none if a table of it does not exist."""
        parameters = [bigquery.ScalarQueryParameter(name, "STRING", value) for name, value in (values or {}).items()]
        try:
            found = self._query(sql, parameters).result(**self.jobs.timeouts.calls)
        except exceptions.NotFound:
            return []
        return [dict(row.items()) for row in found]

    def _query(self, sql: str, parameters: Sequence[Any], job_id: str | None = None) -> bigquery.QueryJob:
        config = bigquery.QueryJobConfig(
            query_parameters=list(parameters),
            maximum_bytes_billed=self.max_bytes_billed,
            labels={"purpose": "tlc-ledger"},
        )
        named: dict[str, Any] = {"job_id": job_id, "job_retry": None} if job_id else {}
        return self.jobs.client.query(
            sql, job_config=config, location=self.jobs.location, **named, **self.jobs.timeouts.calls
        )

    def _filled(self, sql: str, columns: str = "", values: str = "") -> str:
        dataset = f"{self.jobs.client.project}.{self.jobs.dataset_id}"
        return sql.format(dataset=dataset, ledger=LEDGER_TABLE, columns=columns, values=values)


def _parameter(kind: str, value: Any) -> tuple[str, Any]:
    return ("STRING", json.dumps(value)) if kind == "JSON" else (kind, value)
