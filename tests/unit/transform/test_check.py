"""Every rule of rules.toml, with a trip that breaks it, one that does not, and one without the value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest

from flows.tlc.dataset import Dataset
from flows.tlc.month import Month
from flows.tlc.rules import rules, rules_for
from flows.tlc.schema import schema_of
from flows.transform.check import Check, checks_for

GREEN = schema_of(Dataset.green)
MONTH = Month(2020, 12)
DAY = datetime(2020, 12, 5, 10)
CLEAN: dict[str, Any] = {
    "vendor_id": 1,
    "lpep_pickup_datetime": DAY,
    "lpep_dropoff_datetime": datetime(2020, 12, 5, 11),
    "ratecode_id": 1,
    "pu_location_id": 1,
    "do_location_id": 265,
    "passenger_count": 1,
    "trip_distance": 1.5,
    "total_amount": 9.5,
    "payment_type": 2,
    "trip_type": 1,
}


@dataclass(frozen=True)
class Examples:
    """Values of one column that break a rule, and values that do not."""

    column: str
    broken: tuple[Any, ...]
    kept: tuple[Any, ...]


EXAMPLES = {
    "pickup_outside_month": Examples(
        "lpep_pickup_datetime",
        (datetime(2020, 11, 30, 23, 59, 59, 999_999), datetime(2021, 1, 1), datetime(2009, 1, 1), datetime(2098, 1, 1)),
        (datetime(2020, 12, 1), datetime(2020, 12, 5, 10, 59)),
    ),
    "dropoff_before_pickup": Examples("lpep_dropoff_datetime", (datetime(2020, 12, 5, 9, 59, 59),), (DAY,)),
    "negative_total": Examples("total_amount", (-0.01, -300.0), (0.0, -0.0, 0.01)),
    "zero_distance": Examples("trip_distance", (0.0, -0.0), (0.01, -1.0)),
    "no_passengers": Examples("passenger_count", (0,), (1, 9)),
    "distance_over_500_miles": Examples("trip_distance", (500.01, 168_065.0), (500.0, 1.0)),
    "unknown_pickup_zone": Examples("pu_location_id", (0, 266, -1), (1, 264, 265)),
    "unknown_dropoff_zone": Examples("do_location_id", (0, 266), (1, 264, 265)),
    "unknown_vendor": Examples("vendor_id", (0, 4, 5, 9), (1, 2, 6, 7)),
    "unknown_ratecode": Examples("ratecode_id", (0, 7, 208), (1, 6, 99)),
    "unknown_payment_type": Examples("payment_type", (7, -1), (0, 6)),
    "unknown_trip_type": Examples("trip_type", (0, 3), (1, 2)),
}
CHECKS = {check.rule.name: check for check in checks_for(GREEN, MONTH)}


def trips(**changed: Any) -> pa.RecordBatch:
    """One green trip: a clean one, with some of its values changed."""
    row = CLEAN | changed
    return pa.record_batch([pa.array([row.get(c.name)], c.arrow) for c in GREEN.columns], names=list(GREEN.names))


def broken_rules(batch: pa.RecordBatch, checks: tuple[Check, ...] = tuple(CHECKS.values())) -> set[str]:
    return {check.rule.name for check in checks if check.mask(batch) is not None}


def test_every_rule_has_examples() -> None:
    assert {rule.name for rule in rules()} == set(EXAMPLES) == set(CHECKS)


def test_clean_trip_breaks_no_rule() -> None:
    assert broken_rules(trips()) == set()


@pytest.mark.parametrize(
    ("rule", "column", "value"), [(r, e.column, value) for r, e in EXAMPLES.items() for value in e.broken], ids=str
)
def test_trip_breaks_the_rule(rule, column, value) -> None:
    assert rule in broken_rules(trips(**{column: value}))
    if rule != "pickup_outside_month":
        assert broken_rules(trips(**{column: value})) == {rule}


@pytest.mark.parametrize(
    ("rule", "column", "value"),
    [(r, e.column, value) for r, e in EXAMPLES.items() for value in (*e.kept, None)],
    ids=str,
)
def test_trip_at_the_edge_or_without_the_value_breaks_nothing(rule, column, value) -> None:
    assert rule not in broken_rules(trips(**{column: value}))


def test_mask_has_no_nulls_and_one_value_a_row() -> None:
    batch = (
        pa.Table.from_batches([trips(passenger_count=count) for count in (0, None, 1)]).combine_chunks().to_batches()[0]
    )
    assert CHECKS["no_passengers"].mask(batch).to_pylist() == [True, False, False]


def test_rules_count_where_the_dataset_has_their_columns() -> None:
    names = {dataset: {rule.name for rule in rules_for(schema_of(dataset))} for dataset in Dataset}
    everywhere = {"pickup_outside_month", "dropoff_before_pickup", "unknown_pickup_zone", "unknown_dropoff_zone"}
    assert names[Dataset.fhv] == everywhere
    assert {"zero_distance", "negative_total"} <= names[Dataset.fhvhv]
    assert names[Dataset.green] - names[Dataset.yellow] == {"unknown_trip_type"}
