"""What building models needs of BigQuery: the tables that they read, and what their months were built from."""

from __future__ import annotations

from flows.decide.models import ModelBuild
from flows.load.bigquery.ledger import BigQueryLedger
from flows.load.bigquery.tables import BigQueryTables
from flows.tlc.codes import code_tables
from flows.tlc.dataset import Dataset
from flows.tlc.locations import MARTS, MODEL_BUILDS
from flows.tlc.schema import schema_of

# The marts' dataset is beside the trips', in the same location.
READ_BUILDS = """
select model, dataset, format_date('%Y-%m', source_month) as month, loaded_at, version
from `{marts}.{builds}`
where model in (select table_name from `{marts}.INFORMATION_SCHEMA.TABLES`)
"""


def ensure_sources(tables: BigQueryTables) -> None:
    """Make the tables that no load has made yet, and add the columns that older versions did not have."""
    for dataset in Dataset:
        tables.ensure_trips(schema_of(dataset))
    tables.ensure_ledger()
    for table in code_tables():
        tables.ensure_codes(table)


def read_builds(ledger: BigQueryLedger) -> list[ModelBuild]:
    """What each month of the marts was built from; nothing of a mart that is not there any more."""
    jobs = ledger.jobs
    marts = f"{jobs.client.project}.{jobs.dataset_id}_{MARTS}"
    return [ModelBuild(**row) for row in ledger.rows(READ_BUILDS.format(marts=marts, builds=MODEL_BUILDS))]
