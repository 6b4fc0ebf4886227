"""From a warehouse URL to the block that holds it, and from the block to a client."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from prefect.blocks.core import Block
from prefect_gcp import GcpCredentials
from pydantic import Field, model_validator

from blocks.lake import is_made_up
from blocks.warehouse_url import TRIP_WAREHOUSE, duckdb_path

__all__ = ["GcpCredentials", "TripWarehouse", "warehouse_block"]

EMULATOR = "BIGQUERY_EMULATOR_HOST"
# What a query of the project's own may cost at most: the least that BigQuery bills is 10 MiB a table.
MAX_BYTES_BILLED = 100 * 1024**2


class TripWarehouse(Block):
    """Where months of trips are queried: a BigQuery dataset, or a DuckDB file."""

    _block_type_name = "Trip warehouse"
    _block_type_slug = TRIP_WAREHOUSE
    _description = "The warehouse that gcs_to_bigquery fills: a BigQuery dataset, or a DuckDB file for who has none."

    project: str | None = Field(None, description="The Google Cloud project; none for a DuckDB file")
    dataset: str = Field("tlc", description="The BigQuery dataset", pattern="^[A-Za-z0-9_]+$")
    location: str | None = Field(
        None, description="The BigQuery dataset's location, the same as the lake's bucket; none takes it as it is"
    )
    maximum_bytes_billed: int = Field(
        MAX_BYTES_BILLED, gt=0, description="What one query of this project may cost at most, in bytes"
    )
    gcp_credentials: GcpCredentials | None = Field(
        None, description="The account that loads; none: application default credentials"
    )
    duckdb_file: Path | None = Field(None, description="The DuckDB file; none for BigQuery")

    @model_validator(mode="after")
    def _one_backend(self) -> TripWarehouse:
        if (self.project is None) == (self.duckdb_file is None):
            raise ValueError("give either a project, for BigQuery, or the path of a DuckDB file")
        return self

    def bigquery_client(self) -> Any:
        """A ``bigquery.Client`` of the project; without credentials if an emulator is set and no key is given."""
        from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415 - a second that DuckDB does not need
        from google.cloud import bigquery  # noqa: PLC0415

        if self.gcp_credentials and not is_made_up(self.gcp_credentials):
            return self.gcp_credentials.get_bigquery_client(project=self.project, location=self.location)
        nobody = AnonymousCredentials() if os.environ.get(EMULATOR) else None  # type: ignore[no-untyped-call] # google-auth's
        return bigquery.Client(project=self.project, credentials=nobody, location=self.location)


def warehouse_block(url: str, credentials: GcpCredentials | None = None) -> TripWarehouse:
    """The block for ``bigquery://project/dataset?location=EU`` or ``duckdb:///path``.

    ``maximum_bytes_billed=…`` may follow in the query. Raises ValueError that says what is wrong with the URL.
    """
    file = duckdb_path(url)
    if file is not None:
        return TripWarehouse(duckdb_file=file)
    parts = urlsplit(url)
    dataset = parts.path.strip("/")
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    unknown = options.keys() - {"location", "maximum_bytes_billed"}
    if parts.scheme != "bigquery" or not parts.netloc or not dataset or unknown:
        what = f"{', '.join(sorted(unknown))} is not known" if unknown else "it is neither of the two forms"
        raise ValueError(
            f"TLC_WAREHOUSE_URL={url}: {what}. Write bigquery://project/dataset?location=EU or duckdb:///path."
        )
    return TripWarehouse(project=parts.netloc, dataset=dataset, gcp_credentials=credentials, **options)
