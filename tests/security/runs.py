"""Flow runs with secrets in their environment: such that succeed, and such that fail at the source and the database.

What happens, with every block's repr, goes to standard output.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

from prefect.blocks.core import Block
from prefect.blocks.webhook import Webhook
from prefect.filesystems import LocalFileSystem
from prefect_gcp import GcpCredentials, GcsBucket
from prefect_sqlalchemy import SqlAlchemyConnector

from blocks.names import ALERTS, GCP, LAKE, MIRROR_SOURCE, POSTGRES, TLC_SOURCE, WAREHOUSE
from blocks.register import register_blocks
from blocks.trip_data_source import TripDataSource
from blocks.warehouse import TripWarehouse
from deployments.server.automations import apply_automations
from flows import api_to_gcs, api_to_postgres, gcs_to_bigquery, run_step
from flows.extract.download.retry import RetryPolicy
from flows.tasks import source as tasks
from flows.tlc.errors import TripLoadError

BLOCKS = {
    POSTGRES: SqlAlchemyConnector,
    TLC_SOURCE: TripDataSource,
    MIRROR_SOURCE: TripDataSource,
    GCP: GcpCredentials,
    LAKE: LocalFileSystem,
    WAREHOUSE: TripWarehouse,
    ALERTS: Webhook,
}


def show_blocks(kinds: dict[str, type[Block]]) -> None:
    for name, kind in kinds.items():
        block = kind.load(name)
        print(name, repr(block), str(block), block.model_dump(), block.model_dump_json(), vars(block))
        if hasattr(block, "url") and callable(block.url):
            print(repr(block.url))


def told(run: Callable[[], object]) -> None:
    try:
        print("returned", repr(run()))
    except TripLoadError as error:
        print("failed:", repr(error), vars(error))
        traceback.print_exc(file=sys.stdout)


def make_impatient() -> None:
    """As many retries as ever, without the waits."""
    for task in vars(tasks).values():
        if hasattr(task, "retry_delay_seconds"):
            task.retry_delay_seconds, task.retry_jitter_factor = 0, None
    RetryPolicy.wait_after = lambda *_: 0.0  # type: ignore[method-assign]


if __name__ == "__main__":
    refusing_postgres, month, refused_month, forbidden_month = sys.argv[1:]
    make_impatient()
    print(register_blocks(), apply_automations())
    show_blocks(BLOCKS)
    told(lambda: api_to_postgres(dataset="green", month=month))
    told(lambda: api_to_gcs(dataset="green", month=month))
    told(lambda: gcs_to_bigquery(dataset="green", month=month))
    told(lambda: run_step(file="tips_by_hour.sql", target="postgres", month=month))
    told(lambda: api_to_postgres(dataset="green", month=forbidden_month))
    told(lambda: api_to_gcs(dataset="green", month=forbidden_month))
    os.environ["TLC_POSTGRES_URL"] = refusing_postgres
    register_blocks()
    told(lambda: api_to_postgres(dataset="green", month=refused_month))
    # The blocks that hold the one with the key.
    os.environ |= {"TLC_LAKE_URL": "gs://canary-bucket", "TLC_WAREHOUSE_URL": "bigquery://canary-project/tlc"}
    register_blocks()
    show_blocks({LAKE: GcsBucket, WAREHOUSE: TripWarehouse})
