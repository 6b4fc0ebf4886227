"""Imports point one way, room by room: the table below is the architecture."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path for folder in ("flows", "blocks", "deployments") for path in (ROOT / folder).rglob("*.py"))

# What each room may import, beside itself and the rooms within it. A room is the longest entry that a module is in.
FLOW = {"flows.tasks", "flows.many_months", "flows.ui", "flows.decide", "flows.parameters", "flows.tlc"}
LEGS = {"flows.api_to_postgres", "flows.api_to_gcs", "flows.gcs_to_bigquery"}
MANY = {
    "flows.load_month", "flows.backfill", "flows.sync_new_months", "flows.reconcile", "flows.build_models",
    "flows.report", "flows.run_step",
}  # fmt: skip
STREAM = {"flows.replay_trips", "flows.stream_to_postgres", "flows.reconcile_stream"}
READ = {"flows.extract.read", "flows.transform", "flows.tlc"}
MAY_IMPORT: dict[str, set[str]] = {
    "flows.tlc": set(),
    "flows.decide": {"flows.tlc"},
    "flows.extract.download": {"flows.tlc"},
    "flows.extract.read": {"flows.extract.download", "flows.tlc"},
    "flows.transform": {"flows.extract.read", "flows.tlc"},
    "flows.preview": {"flows.extract.download", "flows.ui", *READ},
    "flows.load": {"flows.decide", *READ},
    "flows.load.postgres": {"flows.load", "flows.decide", *READ},
    "flows.load.parquet": {"flows.load", *READ},
    "flows.load.lake": {"flows.load", "flows.load.parquet", "flows.decide", *READ},
    "flows.load.warehouse": {"flows.load", "flows.load.lake", "flows.decide", *READ},
    "flows.load.bigquery": {"flows.load", "flows.load.warehouse", "flows.load.lake", "flows.decide", *READ},
    "flows.load.duckdb": {"flows.load", "flows.load.warehouse", "flows.load.lake", "flows.decide", *READ},
    "flows.load.stream": {"flows.load", "flows.load.postgres", "flows.load.lake", "flows.decide", *READ},
    "flows.dbt": {"flows.decide", "flows.tlc"},
    "flows.charts": {"flows.tlc"},
    "flows.ui": {"flows.decide", "flows.tlc", "blocks"},
    "flows.tasks": {
        "flows.load", "flows.load.postgres", "flows.load.lake", "flows.load.warehouse", "flows.load.bigquery",
        "flows.load.duckdb", "flows.load.stream", "flows.extract.download", *READ, "flows.decide", "flows.dbt",
        "flows.charts", "flows.ui", "blocks",
    },
    "flows.parameters": {"flows.tlc", "flows.decide"},
    "flows.many_months": {
        *LEGS, "flows.build_models", "flows.tasks", "flows.ui", "flows.decide", "flows.parameters", "flows.tlc",
        "blocks",
    },
    "flows.cli": {"flows", *MANY, *FLOW, "flows.preview", "flows.dbt", "blocks"},
    "flows.__main__": {"flows.cli"},
    "flows": {*FLOW, *LEGS, *MANY, *STREAM, "flows.green_taxi_etl"},
    "blocks": {"flows.tlc"},
    "deployments": {
        "flows", *LEGS, *STREAM, *FLOW, "flows.load.lake", "flows.load.postgres", "flows.load.warehouse", "blocks",
    },
}  # fmt: skip


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


NAMES = {name_of(path) for path in MODULES}


def imported(path: Path) -> Iterator[str]:
    """The full names of the modules that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it points"
            full = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in NAMES else str(node.module) for name in full)


def room(name: str) -> str:
    parts = name.split(".")
    found = next((room for end in range(len(parts), 0, -1) if (room := ".".join(parts[:end])) in MAY_IMPORT), "")
    return name if found == "flows" and name != "flows" else found


def allowed(here: str) -> set[str]:
    """A flow's module is a room of its own, and may import what every flow may."""
    return MAY_IMPORT.get(here, FLOW)


def test_every_import_is_one_that_its_room_may_have() -> None:
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in MODULES
        for name in imported(path)
        if name.partition(".")[0] in ("flows", "blocks", "deployments")
        and room(name) not in {room(name_of(path)), *allowed(room(name_of(path)))}
    ]
    assert wrong == []


def test_no_room_is_reached_by_itself() -> None:
    """Rooms that may import each other are one room."""
    reached = {here: set(there) for here, there in MAY_IMPORT.items() if here not in ("flows", "flows.cli")}
    for _ in reached:
        for there in reached.values():
            there.update(*(reached.get(room, set()) for room in list(there)))
    assert [here for here, there in reached.items() if here in there] == []


@pytest.mark.parametrize(
    ("rooms", "libraries"),
    [
        (("flows.tlc", "flows.decide"), {"prefect", "httpx", "psycopg2", "duckdb", "google", "sqlalchemy"}),
        (("flows.extract", "flows.load"), {"prefect"}),
        (("flows.charts",), {"prefect", "psycopg2", "duckdb", "google", "httpx"}),
        (("flows.transform",), {"prefect", "httpx", "psycopg2", "pgpq", "duckdb", "google"}),
        (("flows.extract",), {"psycopg2", "pgpq", "duckdb", "google"}),
        (("flows.cli",), {"psycopg2", "httpx", "duckdb", "google"}),
        (("flows.api_to_postgres", "flows.api_to_gcs", "flows.gcs_to_bigquery"), {"psycopg2", "httpx", "duckdb"}),
    ],
    ids=lambda given: "+".join(given) if isinstance(given, tuple) else "",
)
def test_rooms_do_not_know_these_libraries(rooms: tuple[str, ...], libraries: set[str]) -> None:
    inside = [path for path in MODULES if f"{name_of(path)}.".startswith(tuple(f"{name}." for name in rooms))]
    assert inside
    assert [
        f"{name_of(path)}: {name}" for path in inside for name in imported(path) if name.partition(".")[0] in libraries
    ] == []


def test_flows_has_the_flows_and_their_parameters_alone() -> None:
    beside = {"__init__", "__main__", "parameters"}
    others = [path for path in (ROOT / "flows").glob("*.py") if path.stem not in beside]
    assert [path.name for path in others if "@flow" not in path.read_text(encoding="utf-8")] == []


def test_no_module_is_named_for_nothing() -> None:
    names = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base", "core"}
    assert [name_of(path) for path in MODULES if names & {path.stem, path.parent.name}] == []
