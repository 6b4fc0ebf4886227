"""docs/scale.md: its figures are those of the stored results, or follow from them."""

from __future__ import annotations

import json
import re

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
