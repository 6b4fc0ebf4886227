"""Reading the marts in BigQuery.

Marts are small, and what one of them costs grows with the months: each query may cost what a dry run, which is free,
says that it does, also where that is more than ``max_bytes_billed``.
"""

from __future__ import annotations

from typing import Any

from google.api_core import exceptions
from google.cloud import bigquery

from flows.load.bigquery.ledger import BigQueryLedger
from flows.load.bigquery.totals import LEAST_BILLED
from flows.load.marts import MartsReader, models_missing
from flows.tlc.locations import MARTS

_LABELS = {"purpose": "tlc-report"}


def marts_reader(ledger: BigQueryLedger | None, place: str) -> MartsReader:
    """A reader of the dataset of marts, which is beside the trips'; None: there is no dataset of trips."""
    if ledger is None:
        raise models_missing(place, "there is no such dataset")
    jobs = ledger.jobs

    def run(sql: str, config: bigquery.QueryJobConfig) -> bigquery.QueryJob:
        return jobs.client.query(sql, job_config=config, location=jobs.location, **jobs.timeouts.calls)

    def rows(sql: str) -> list[dict[str, Any]]:
        try:
            plan = run(sql, bigquery.QueryJobConfig(dry_run=True, use_query_cache=False))
            limit = max(ledger.max_bytes_billed, LEAST_BILLED, plan.total_bytes_processed * 11 // 10)
            found = run(sql, bigquery.QueryJobConfig(maximum_bytes_billed=limit, labels=_LABELS))
            return [dict(row.items()) for row in found.result(**jobs.timeouts.calls)]
        except exceptions.NotFound as error:
            raise models_missing(place, error.message.splitlines()[0]) from error

    weekday = "format_datetime('%u', pickup_hour)"
    marts = f"`{jobs.client.project}`.{jobs.dataset_id}_{MARTS}"
    return MartsReader(place, {"marts": marts, "weekday": weekday}, rows)
