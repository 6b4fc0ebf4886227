"""``from flows import backfill`` gives the flow, whatever was imported before, and nothing is imported in vain."""

from __future__ import annotations

import subprocess
import sys

import pytest

import flows


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


# Each takes a tenth of a second to three seconds of every process that imports it.
GOOGLE, SQL, FRAMES = {"prefect_gcp", "google.cloud.bigquery"}, {"sqlalchemy", "prefect_sqlalchemy"}, {"pandas"}
TARGETS = GOOGLE | SQL | {"duckdb"}
HEAVY = TARGETS | FRAMES | {"prefect", "pyarrow", "httpx", "pydantic_settings", "psycopg2", "rich.progress"}


@pytest.mark.parametrize(
    ("module", "spared"),
    [
        ("flows.parameters", HEAVY),
        ("flows.cli.app", HEAVY),  # all of what --help needs
        ("flows.tasks.plan", TARGETS | FRAMES),  # plan
        ("flows.cli.standing", TARGETS | FRAMES),  # status
        ("flows.api_to_postgres", GOOGLE | {"duckdb"}),
        ("flows.api_to_gcs", TARGETS | {"psycopg2"}),
        ("flows.gcs_to_bigquery", TARGETS | FRAMES | {"psycopg2"}),
        ("flows.load_month", GOOGLE | {"duckdb"}),
        ("flows.backfill", GOOGLE | {"duckdb", "distributed"}),
    ],
)
def test_nothing_is_imported_that_is_not_needed_yet(module: str, spared: set[str]) -> None:
    assert python(f"import sys, {module}; print(*sorted({spared!r} & set(sys.modules)))") == ""


@pytest.mark.parametrize(
    ("module", "others"),
    [
        ("flows.api_to_postgres", ("lake", "warehouse", "bigquery", "duckdb")),
        ("flows.api_to_gcs", ("postgres", "warehouse", "bigquery", "duckdb")),
        ("flows.gcs_to_bigquery", ("postgres", "bigquery", "duckdb")),  # which of the two, only the block says
    ],
)
def test_a_flow_imports_no_other_targets_modules(module: str, others: tuple[str, ...]) -> None:
    imported = python(f"import sys, {module}; print(*(name for name in sys.modules if name.startswith('flows.load.')))")
    assert [name for name in imported.split() if name.split(".")[2] in others] == []


@pytest.mark.parametrize(
    "imports",
    [
        "from flows import *",
        "import flows.backfill; from flows import backfill",
        "from flows.backfill import backfill as first; from flows import backfill; assert first is backfill",
    ],
)
def test_a_flow_is_the_flow_in_any_order_of_imports(imports: str) -> None:
    assert python(f"{imports}\nprint(type(backfill).__name__)") == "Flow"


def test_the_package_lists_its_flows() -> None:
    assert set(flows.__all__) <= set(dir(flows))
    with pytest.raises(AttributeError):
        flows.no_such_flow  # noqa: B018
