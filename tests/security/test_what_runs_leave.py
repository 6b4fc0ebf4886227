"""What runs leave behind: no secret, and what docs/operate.md asks for. One file, since the runs take a minute."""

from __future__ import annotations

import re
import shlex
import sqlite3
from pathlib import Path
from uuid import UUID

import httpx
import pytest

pytestmark = pytest.mark.timeout(420)

CANARIES = (
    "password", "refused password", "signature", "login at the source", "webhook", "key's id", "private key",
)  # fmt: skip
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operate.md").read_text(encoding="utf-8")
SQL = re.findall(r"```sql\n(.*?)```", PAGE, re.S)
STATEMENTS = [statement.strip() for block in SQL for statement in block.split(";\n") if statement.strip()]
COMMANDS = re.findall(r"^\$ \.venv/bin/prefect (.*)$", PAGE, re.M)


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


def test_the_page_has_what_is_tested_here() -> None:
    assert len(STATEMENTS) == 7
    assert len(COMMANDS) == 5


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda text: text.splitlines()[0].strip("- ")[:40])
def test_query_runs(left, statement: str) -> None:
    left.query(statement.removesuffix(";"))


def test_what_is_loaded_and_that_it_is_there(left) -> None:
    loaded, is_there = STATEMENTS[0], STATEMENTS[-1]
    assert [row[:3] for row in left.query(loaded)] == [("green", "2020-12", 83_130)]
    assert left.query(is_there.removesuffix(";")) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_command_works(left, server, command: str) -> None:
    failed = {"flow_runs": {"state": {"type": {"any_": ["FAILED"]}}}, "limit": 1}
    (run,) = httpx.post(f"{server.api_url}/flow_runs/filter", json=failed, timeout=30).json()
    done = server.run("-m", "prefect", *shlex.split(command.replace("<run>", str(UUID(run["id"])))))
    assert done.returncode == 0, done.stdout + done.stderr
