"""The demo's questions to the database, on made-up months: answers are names, and nothing is None."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deployments.local.demo_steps import QUESTIONS
from deployments.tlc_site.site import TripSite
from deployments.tlc_site.synthetic.months import taxi_zone_lookup, write_parquet
from flows import api_to_postgres
from flows.tlc.dataset import Dataset
from flows.tlc.locations import ZONES_PATH
from flows.tlc.month import Month
from tests.flows.conftest import path_of

ROWS = 5_000


@pytest.fixture
def answers(environment: Path, database: Any, site: TripSite, tmp_path: Path) -> dict[str, list[tuple[Any, ...]]]:
    site.put(ZONES_PATH, taxi_zone_lookup())
    for dataset, month in (
        (Dataset.yellow, Month(2024, 5)),
        (Dataset.yellow, Month(2025, 1)),
        (Dataset.green, Month(2024, 5)),
    ):
        write_parquet(dataset, month, tmp_path / "month.parquet", ROWS)
        site.put(path_of(month, dataset), (tmp_path / "month.parquet").read_bytes())
        drop_rules = ["zero_distance"] if dataset is Dataset.green else []
        api_to_postgres(dataset=dataset, month=str(month), drop_rules=drop_rules)
    return {question.asks: database.query(question.sql) for question in QUESTIONS}


def test_demo_asks_and_is_answered_in_names(answers: dict[str, list[tuple[Any, ...]]]) -> None:
    zones, payments, rejected = answers.values()
    assert "JFK Airport" in [zone for zone, *_ in zones]
    assert {"Manhattan", "Queens"} >= {borough for _, borough, *_ in zones}
    assert payments[0][0] == "Credit card"
    assert {"Credit card", "Cash"} <= {name for name, *_ in payments}
    assert ("green", "zero_distance") in {row[:2] for row in rejected}
    assert not [row for row in rejected if None in row]
    assert all(row[3].startswith("row ") for row in rejected if row[1] == "zero_distance")
