"""The ledger ``tlc.loads``: its columns, once for Postgres, BigQuery and DuckDB, and what a row of it reports."""

from __future__ import annotations

from dataclasses import dataclass

from flows.tlc.report import LoadReport


@dataclass(frozen=True)
class LedgerColumn:
    """A column of ``tlc.loads``, by its type in each target."""

    name: str
    postgres: str
    bigquery: str
    duckdb: str
    description: str
    required: bool = True


# load_id counts all loads in Postgres, in a warehouse those of a dataset's month.
LEDGER = (
    LedgerColumn(
        "load_id", "bigint", "INT64", "BIGINT", "Number of the load among those of the month; the highest one counts."
    ),
    LedgerColumn("dataset", "text", "STRING", "VARCHAR", "yellow, green, fhv or fhvhv."),
    LedgerColumn("month", "text", "STRING", "VARCHAR", "The file's month, YYYY-MM."),
    LedgerColumn("target", "text", "STRING", "VARCHAR", "The leg: always bigquery, whichever warehouse this is."),
    LedgerColumn("source_url", "text", "STRING", "VARCHAR", "The file at the source."),
    LedgerColumn("source_etag", "text", "STRING", "VARCHAR", "The file's version at the source.", required=False),
    LedgerColumn("rows_read", "bigint", "INT64", "BIGINT", "Rows of the file."),
    LedgerColumn("rows_loaded", "bigint", "INT64", "BIGINT", "Rows of the file that are in the table."),
    LedgerColumn(
        "rows_rejected", "bigint", "INT64", "BIGINT", "Rows of the file that are not, kept in the lake below rejected/."
    ),
    LedgerColumn("rejected_by_rule", "jsonb", "JSON", "JSON", "Rejected rows, by the rule that rejected them."),
    LedgerColumn("rows_flagged", "bigint", "INT64", "BIGINT", "Loaded rows that break at least one rule."),
    LedgerColumn("flagged_by_rule", "jsonb", "JSON", "JSON", "Loaded rows, by each rule that they break."),
    LedgerColumn("bytes_read", "bigint", "INT64", "BIGINT", "Bytes of trip data that passed through the client: none."),
    LedgerColumn("seconds", "double precision", "FLOAT64", "DOUBLE", "How long the load took. Unit: seconds."),
    LedgerColumn("status", "text", "STRING", "VARCHAR", "Always loaded: what changes nothing is not entered."),
    LedgerColumn(
        "content_key", "text", "STRING", "VARCHAR", "Equal for two loads that put the same rows into the table."
    ),
    LedgerColumn(
        "conform_version", "text", "STRING", "VARCHAR", "The version of the schema and rules that made the rows."
    ),
    LedgerColumn("flow_run_id", "uuid", "STRING", "VARCHAR", "The Prefect flow run that loaded.", required=False),
    LedgerColumn("started_at", "timestamptz", "TIMESTAMP", "TIMESTAMPTZ", "When the load began."),
    LedgerColumn("loaded_at", "timestamptz", "TIMESTAMP", "TIMESTAMPTZ", "When the rows were in the table."),
    LedgerColumn(
        "source", "text", "STRING", "VARCHAR", "tlc or mirror: where the lake's file came from.", required=False
    ),
    LedgerColumn("drop_rules", "jsonb", "JSON", "JSON", "Rules whose rows the lake was to leave out.", required=False),
    LedgerColumn(
        "new_columns", "text", "STRING", "VARCHAR", "What was to become of undeclared columns.", required=False
    ),
)
LEDGER_TABLE = "loads"
LEDGER_COMMENT = "One row a load: what was read, loaded, rejected and flagged. Never changed."


def unchanged(report: LoadReport) -> LoadReport:
    """The report of a run that found this load in the target and did nothing."""
    return report.model_copy(update={"status": "unchanged", "bytes_read": 0, "seconds": 0.0})
