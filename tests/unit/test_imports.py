"""Imports point one way: flow → tasks → extract, transform, load → tlc."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLOWS = ROOT / "flows"
LAYERS = ("tlc", "extract", "transform", "load", "cli")
MODULES = sorted(FLOWS.rglob("*.py"))
RETRY_TRANSIENT = {"prefect", "blocks", "deployments"}


def imported(path: Path) -> Iterator[str]:
    """The full names of what a module imports, wherever in it: ``flows.load.postgres.month.load_month``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it points"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(path: Path) -> str | None:
    return path.relative_to(FLOWS).parts[0] if path.parent != FLOWS else None


def starts_with(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith((f"{package}.", f"{package}_")) for package in packages)


def in_layer(name: str) -> list[Path]:
    return [path for path in MODULES if layer(path) == name]


def forbidden(paths: list[Path], packages: set[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}: {name}" for path in paths for name in imported(path) if starts_with(name, packages)
    ]


def test_every_module_is_in_a_known_place() -> None:
    assert {layer(path) for path in MODULES} == {None, *LAYERS}


def test_knowledge_imports_nothing_but_itself() -> None:
    paths = in_layer("tlc")
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in paths
        for name in imported(path)
        if name.startswith("flows.") and not name.startswith("flows.tlc.")
    ]
    assert wrong == []
    assert forbidden(paths, {*RETRY_TRANSIENT, "httpx", "psycopg2", "duckdb", "google", "sqlalchemy", "requests"}) == []


def test_work_knows_neither_prefect_nor_blocks_nor_flows() -> None:
    above = {f"flows.{path.stem}" for path in MODULES if path.parent == FLOWS and path.stem != "__init__"}
    assert "flows.tasks.source" in above
    assert forbidden([*in_layer("extract"), *in_layer("transform"), *in_layer("load")], RETRY_TRANSIENT | above) == []


def test_extract_and_transform_know_no_target() -> None:
    targets = {"flows.load", "psycopg2", "pgpq", "duckdb", "google"}
    assert forbidden([*in_layer("extract"), *in_layer("transform")], targets) == []
    assert forbidden(in_layer("transform"), {"httpx"}) == []


def test_extract_does_not_know_what_becomes_of_the_rows() -> None:
    assert forbidden(in_layer("extract"), {"flows.transform"}) == []


def test_the_command_line_asks_flows_and_tasks_and_nobody_asks_it() -> None:
    paths = in_layer("cli")
    assert forbidden(paths, {"flows.extract", "psycopg2", "httpx", "duckdb", "google"}) == []
    assert [name for path in paths for name in imported(path) if name.startswith("flows.load.")] == []
    outside = [path for path in MODULES if layer(path) != "cli" and path.name != "__main__.py"]
    assert forbidden(outside, {"flows.cli", "typer"}) == []


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if path.parent == FLOWS and "@flow" in path.read_text(encoding="utf-8")],
    ids=lambda path: path.stem,
)
def test_flow_calls_tasks_and_does_no_work(path: Path) -> None:
    assert forbidden([path], {"flows.extract", "flows.transform", "flows.load", "blocks", "psycopg2", "httpx"}) == []


def test_no_module_is_named_for_nothing() -> None:
    names = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base", "core"}
    found = [path for folder in ("flows", "blocks", "deployments") for path in (ROOT / folder).rglob("*.py")]
    assert [str(path) for path in found if path.stem in names or path.parent.name in names] == []
