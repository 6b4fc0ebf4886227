"""The control sums of months in BigQuery: one query over their partitions, limited to what these have to cost."""

from __future__ import annotations

from google.api_core import exceptions
from google.cloud import bigquery

from flows.load.bigquery.ledger import BigQueryLedger
from flows.load.totals_query import totals_by_month, totals_select
from flows.tlc.dataset import Dataset
from flows.tlc.locations import trips_table
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from flows.tlc.totals import Totals
from flows.transform.totals import TotalsColumns

# What BigQuery counts for a value of DATE, DATETIME and FLOAT64 alike, in bytes, and the least that it bills a table.
_VALUE_BYTES = 8
LEAST_BILLED = 10 * 1024**2
_MIB = 1024**2

SUM_MONTHS = """
select {columns}
from `{table}`
where source_month between @first and @last
group by source_month
order by source_month
"""


def sum_months(ledger: BigQueryLedger, dataset: Dataset, first: Month, last: Month) -> dict[str, Totals]:
    """See ``Warehouse.sum_months``. What the partitions hold, asked before, says what the query may cost."""
    months = {month: rows for month, rows in ledger.count_rows(dataset).items() if str(first) <= month <= str(last)}
    if not months:
        return {}
    jobs = ledger.jobs
    table = f"{jobs.client.project}.{jobs.dataset_id}.{trips_table(dataset)}"
    config = bigquery.QueryJobConfig(
        query_parameters=[
            bigquery.ScalarQueryParameter("first", "DATE", first.first_day),
            bigquery.ScalarQueryParameter("last", "DATE", last.first_day),
        ],
        maximum_bytes_billed=bytes_to_read(dataset, sum(months.values())),
        labels={"purpose": "tlc-reconcile", "dataset": str(dataset)},
    )
    sql = SUM_MONTHS.format(columns=totals_select(schema_of(dataset)), table=table)
    try:
        job = jobs.client.query(sql, job_config=config, location=jobs.location, **jobs.timeouts.calls)
        found = job.result(**jobs.timeouts.calls)
    except exceptions.NotFound:
        return {}
    return totals_by_month(tuple(row.values()) for row in found)


def bytes_to_read(dataset: Dataset, rows: int) -> int:
    """The most that the query over so many rows is billed: its columns and ``source_month``, in whole MiB.

    A tenth more leaves room for rows that come in between the two queries.
    """
    columns = len(TotalsColumns.of(schema_of(dataset)).names) + 1
    needed = rows * columns * _VALUE_BYTES * 11 // 10
    return max(LEAST_BILLED, (needed // _MIB + 1) * _MIB)
