"""No secret is in anything that a run leaves behind, whether it succeeds or fails."""

from __future__ import annotations

import sqlite3

import pytest

pytestmark = pytest.mark.timeout(420)

CANARIES = (
    "password", "refused password", "signature", "login at the source", "webhook", "key's id", "private key",
)  # fmt: skip


@pytest.mark.parametrize("name", CANARIES)
def test_secret_is_nowhere(left, name: str) -> None:
    canary = left.canaries[name].encode()
    where = sorted({place for place, content in left.found if canary in content})
    assert where == []


def test_what_was_searched_is_what_runs_leave(left) -> None:
    """A search in the wrong places finds nothing, too: each of these has what is known to be there."""
    known = {
        "API: logs": b"green 2020-12",
        "API: artifacts": b"/trip-data/green_tripdata_2020-12.parquet",
        "prefect.db: events": b"prefect.flow-run.Failed",
        "API: flow_runs": b"password authentication failed",
        "API: block_documents": b"canary-bucket",
        "prefect.db: log": b"green 2020-12",
        "prefect.db: task_run_state": b"SourceBlocked",
        "warehouse.duckdb: loads": b"/trip-data/green_tripdata_2020-12.parquet",
        "Postgres: tlc.loads": b"/trip-data/green_tripdata_2020-12.parquet",
        "what the runs said": b"SqlAlchemyConnector",
        "API: task_runs": b"run tips_by_hour.sql",
        "alerts": b"password authentication failed",
    }
    missing = [
        place
        for place, content in known.items()
        if not any(content in found for where, found in left.found if where == place)
    ]
    assert missing == []
    searched = {place.rpartition("/")[2] for place, _ in left.found}
    downloaded = {"green_tripdata_2020-12.parquet", "green_tripdata_2020-12.parquet.json"}
    assert {"2020-12.json", "tips_by_hour.parquet", *downloaded} <= searched


def test_blocks_are_encrypted_in_the_database(left) -> None:
    with sqlite3.connect(left.database) as connection:
        documents = connection.execute("select name, data from block_document").fetchall()
    assert {"tlc-postgres", "tlc-gcp", "tlc-source", "tlc-alerts"} <= {name for name, _ in documents}
    assert not [name for name, data in documents if "canary" in str(data) or "127.0.0.1" in str(data)]
