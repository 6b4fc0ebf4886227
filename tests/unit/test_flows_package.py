"""``from flows import backfill`` gives the flow, whatever was imported before, and nothing is imported in vain."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import flows

# Each takes a tenth of a second to three seconds of every process that imports it.
GOOGLE, SQL, FRAMES = {"prefect_gcp", "google.cloud.bigquery"}, {"sqlalchemy", "prefect_sqlalchemy"}, {"pandas"}
TARGETS = GOOGLE | SQL | {"duckdb"}
HEAVY = TARGETS | FRAMES | {"prefect", "pyarrow", "httpx", "pydantic_settings", "psycopg2", "rich.progress"}

# What a module may not import, by the libraries that each module of the group needs.
SPARED = {
    "": {
        "flows.parameters": HEAVY,
        "flows.cli.app": HEAVY,  # all of what --help needs
    },
    "prefect, pyarrow.parquet": {
        "flows.tasks.plan": TARGETS | FRAMES,  # plan
        "flows.cli.compared": TARGETS | FRAMES,  # status
        "flows.api_to_gcs": TARGETS | {"psycopg2"},
        "flows.report": TARGETS | {"psycopg2", "altair", "vl_convert"},
        "flows.gcs_to_bigquery": TARGETS | FRAMES | {"psycopg2"},
    },
    "prefect_sqlalchemy, psycopg2": {
        "flows.api_to_postgres": GOOGLE | {"duckdb"},
        "flows.load_month": GOOGLE | {"duckdb"},
        "flows.backfill": GOOGLE | {"duckdb", "distributed"},
    },
}
CASES = [case for group in SPARED.values() for case in group.items()]
ORDERS = [
    "from flows import *",
    "import flows.backfill; from flows import backfill",
    "from flows.backfill import backfill as first; from flows import backfill; assert first is backfill",
]

# One process imports the libraries, which take most of the time, group by group, and has a child of its own for each
# statement. A child has the modules of its parent and those that the statement imports, as a fresh interpreter has:
# what the parent imported too early would be found. All of it takes 20 s of processor time.
OBSERVER = """
import json, os, sys, traceback

def run(statement):
    reader, writer = os.pipe()
    if os.fork() == 0:
        names = {}
        try:
            exec(statement, names)
            seen = {"modules": sorted(sys.modules), "backfill": type(names.get("backfill")).__name__}
        except BaseException:
            seen = {"error": traceback.format_exc()}
        with open(writer, "w") as pipe:
            json.dump(seen, pipe)
        os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        seen = json.load(pipe)
    os.wait()
    return seen

seen = {}
for libraries, statements in json.load(sys.stdin).items():
    exec(f"import {libraries}" if libraries else "")
    seen |= {statement: run(statement) for statement in statements}
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def observed() -> dict[str, dict]:
    """What each statement leaves behind: the names of all modules, and the type of ``backfill``."""
    groups = {libraries: [f"import {module}" for module in modules] for libraries, modules in SPARED.items()}
    groups[list(SPARED)[-1]] += ORDERS
    command = [sys.executable, "-c", OBSERVER]
    done = subprocess.run(command, input=json.dumps(groups), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("module", "spared"), CASES, ids=[module for module, _ in CASES])
def test_nothing_is_imported_that_is_not_needed_yet(observed: dict, module: str, spared: set[str]) -> None:
    seen = observed[f"import {module}"]
    assert "error" not in seen, seen["error"]
    assert module in seen["modules"]
    assert spared & set(seen["modules"]) == set()


@pytest.mark.parametrize("imports", ORDERS)
def test_a_flow_is_the_flow_in_any_order_of_imports(observed: dict, imports: str) -> None:
    seen = observed[imports]
    assert "error" not in seen, seen["error"]
    assert seen["backfill"] == "Flow"


@pytest.mark.parametrize(
    ("module", "others"),
    [
        ("flows.api_to_postgres", ("lake", "warehouse", "bigquery", "duckdb")),
        ("flows.api_to_gcs", ("postgres", "warehouse", "bigquery", "duckdb")),
        ("flows.gcs_to_bigquery", ("postgres", "bigquery", "duckdb")),  # which of the two, only the block says
    ],
)
def test_a_flow_imports_no_other_targets_modules(observed: dict, module: str, others: tuple[str, ...]) -> None:
    imported = [name for name in observed[f"import {module}"]["modules"] if name.startswith("flows.load.")]
    assert [name for name in imported if name.split(".")[2] in others] == []


def test_the_package_lists_its_flows() -> None:
    assert set(flows.__all__) <= set(dir(flows))
    with pytest.raises(AttributeError):
        flows.no_such_flow  # noqa: B018
