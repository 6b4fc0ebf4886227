"""``from flows import backfill`` gives the flow, whatever was imported before, and nothing is imported in vain."""

from __future__ import annotations

import subprocess
import sys

import pytest

import flows


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_knowledge_comes_without_prefect_and_the_targets() -> None:
    code = "import sys, flows.parameters; print(*sorted({'prefect', 'pandas', 'psycopg2'} & set(sys.modules)))"
    assert python(code) == ""


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
