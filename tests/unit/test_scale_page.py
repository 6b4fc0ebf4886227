"""docs/scale.md: its figures are those of the stored results, or follow from them."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from tests.benchmarks.whole_corpus import Scenario, corpus, scenarios, seconds_of
from tests.servers.compose_file import PROJECT

PAGE = (PROJECT / "docs" / "scale.md").read_text(encoding="utf-8")
RESULTS = PROJECT / "tests" / "benchmarks" / "results"
BACKFILL = json.loads((RESULTS / "backfill.json").read_text(encoding="utf-8"))["results"]
POSTGRES = json.loads((RESULTS / "postgres.json").read_text(encoding="utf-8"))["samples"]
# Rows of the table, in its order.
MEASURED = [
    "quick source, one at a time",
    "quick source, two at a time",
    "slow source, one at a time",
    "slow source, two at a time",
    "slower source, one worker",
    "slower source, two workers",
]


def an_hour(seconds: float, months: int = 1) -> int:
    return round(months * 3600 / seconds)


def best_of_postgres(name: str) -> float:
    return float(min(sample["seconds"] for sample in POSTGRES[name]))


def test_table_has_the_months_an_hour_that_were_measured() -> None:
    shown = [int(cell.replace(",", "")) for cell in re.findall(r"\| ([\d,]+) \|$", PAGE, flags=re.MULTILINE)]
    measured = [an_hour(BACKFILL[name]["seconds"], BACKFILL[name]["months"]) for name in MEASURED]
    assert shown == [*measured, an_hour(best_of_postgres("flow"))]


def test_arithmetic_follows_from_what_was_measured() -> None:
    flow, limit = best_of_postgres("flow"), best_of_postgres("limit")
    start = BACKFILL["slower source, one worker"]["run"]["start of its process"]
    month = 5 + round(start, 1) + 10 + round(flow, 1)
    for said in (
        f"costs {start:.1f} s more",
        f"With {start:.1f} s for the process",
        f"{flow:.1f} s for 3,000,000 rows",
        f"takes {month:.1f} s",
        f"make {an_hour(month, 4)} an hour",
        f"ready file in {limit:.1f} s",
        f"{an_hour(limit):,} such months",
    ):
        assert said in " ".join(PAGE.split()), said


def test_hours_of_all_months_are_those_of_the_simulation() -> None:
    table = PAGE.partition("## All of it")[2]
    shown = [float(cell) for cell in re.findall(r"\| ([\d.]+) \|$", table, flags=re.MULTILINE)]
    found = scenarios()
    assert shown == [round(scenario.hours(), 2) for scenario in found]
    assert f"{found[-1].dollars():.2f} US dollars of jobs" in table
    plans = [plan for of_dataset in corpus(("postgres",)) for plan in of_dataset]
    rows, size = sum(plan.rows or 0 for plan in plans), sum(plan.bytes or 0 for plan in plans)
    assert f"{len(plans)} months, {rows / 1e9:.2f} billion rows, {size / 1e9:.1f} GB" in table
    assert f"{2 * 170 * rows / (found[1].hours() * 3600) / 1e9:.1f} GB a second" in table


def test_months_share_a_line_and_wait_for_a_place() -> None:
    """By hand: of four equal months two at a time, each pair shares the line, then loads; nothing waits for nothing."""
    (plans,) = [of_dataset[:4] for of_dataset in corpus(("postgres",)) if of_dataset[0].request.dataset == "green"]
    same = [replace(plan, rows=1_000, bytes=100) for plan in plans]
    assert seconds_of(Scenario("", ("postgres",), 2, line=20, rows=100), same) == pytest.approx(2 * (10 + 10))
    assert seconds_of(Scenario("", ("postgres",), 4, line=20, rows=100, before=3), same) == pytest.approx(3 + 20 + 10)
    assert seconds_of(Scenario("", ("postgres",), 1, line=20, rows=100), same) == pytest.approx(4 * (5 + 10))
