"""What runs leave behind: no secret, and what docs/operate.md asks for. One file, since the runs take a minute."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from deployments.tlc_site.site import TripSite
from tests.security.conftest import PASSWORD, WRONG_PASSWORD, with_password
from tests.security.remains import of_files

pytestmark = pytest.mark.timeout(420)

CANARIES = (
    "password", "password's end", "refused password", "refused password's end", "signature", "login at the source",
    "webhook", "key's id", "private key",
)  # fmt: skip
PAGE_FOLDER = Path(__file__).resolve().parents[2] / "docs"
PAGE = (PAGE_FOLDER / "operate.md").read_text(encoding="utf-8")
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
        "API: artifacts": b"/trip-data/green",  # "_" is escaped in markdown
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


# Words of `python -m flows`, the password, the exit code, and what the output has if it is the right failure.
ASKED = [
    (["query", "select count(*) as loads from tlc.loads", "--format", "json"], PASSWORD, 0, '{"loads":'),
    (["status", "green", "--offline", "--json"], PASSWORD, 0, "83130"),
    (["step", "tips_by_hour.sql", "2020-12", "--json", "--debug"], PASSWORD, 0, '"completed"'),
    (["query", "select from from", "--debug"], PASSWORD, 1, "syntax error"),
    (["query", "select 1", "--debug"], WRONG_PASSWORD, 1, "password authentication failed"),
    (["status", "green", "--offline", "--json", "--debug"], WRONG_PASSWORD, 1, "password authentication failed"),
]


@pytest.mark.parametrize(("words", "password", "code", "says"), ASKED, ids=[" ".join(one[0][:2]) for one in ASKED])
def test_password_is_in_no_output_of_a_command(left, guarded_postgres, tmp_path, words, password, code, says) -> None:
    """With all that --debug shows, and in nothing that it writes."""
    done = as_user(guarded_postgres, password, tmp_path, words)
    output = done.stdout + done.stderr
    assert (done.returncode, says in output) == (code, True), output
    found = [("output", output.encode()), *of_files(tmp_path)]
    assert [place for place, content in found if b"canary" in content] == []


def test_dbt_is_given_the_password_and_keeps_it_nowhere(tlc, guarded_postgres, tmp_path, dbt) -> None:
    with TripSite([tlc / "cdn", tlc / "mirror"]) as site:
        load = ["load", "green", "2020-12", "--target", "postgres", "--debug"]
        loaded = as_user(guarded_postgres, PASSWORD, tmp_path, load, TLC_SOURCE_URL=site.url)
    build = ["models", "build", "--target", "postgres", "--select", "quarterly_revenue", "--json", "--debug"]
    built = as_user(guarded_postgres, PASSWORD, tmp_path, build)
    assert (loaded.returncode, built.returncode) == (0, 0), loaded.stderr + built.stderr
    assert json.loads(built.stdout)["status"] == "built"
    output = loaded.stdout + loaded.stderr + built.stdout + built.stderr
    found = [("output", output.encode()), *of_files(tmp_path)]
    assert [place for place, content in found if b"canary" in content] == []


def test_password_is_in_no_command_line_while_programs_run(guarded_postgres, tmp_path) -> None:
    """Every user of a machine may read these; the environment only its owner."""
    steps = tmp_path / "steps"
    steps.mkdir()
    (steps / "wait.py").write_text(
        "# target: postgres\nimport pathlib, psycopg2\npsycopg2.connect('').cursor().execute('select 1')\n"
        "print(*sorted(p.read_bytes() for p in pathlib.Path('/proc').glob('[0-9]*/cmdline')), sep='\\n')\n"
    )
    done = as_user(guarded_postgres, PASSWORD, tmp_path, ["step", "wait.py", "2020-12"], TLC_STEPS_DIR=str(steps))
    assert done.returncode == 0, done.stderr
    output = done.stdout + done.stderr
    assert "wait.py" in output
    assert "canary" not in output


def as_user(
    server: str, password: str, folder: Path, words: list[str], **more: str
) -> subprocess.CompletedProcess[str]:
    """A command of ``python -m flows``, without a server of Prefect's, in a folder of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TLC_", "PREFECT_"))}
    return subprocess.run(
        [sys.executable, "-m", "flows", *words],
        cwd=PAGE_FOLDER.parent,
        env=environment
        | {
            "TLC_POSTGRES_URL": with_password(server, password),
            "TLC_LOCAL_DIR": str(folder / "local"),
            "TLC_CACHE_DIR": str(folder / "cache"),
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        }
        | more,
        capture_output=True,
        text=True,
        check=False,
    )
