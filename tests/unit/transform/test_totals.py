"""Adding up record batches: each dataset by its roles, missing values as 0."""

from __future__ import annotations

import math
from datetime import datetime

import pyarrow as pa
import pytest

from flows.tlc.dataset import Dataset
from flows.tlc.schema import schema_of
from flows.tlc.totals import Totals, differences
from flows.transform.totals import TotalsColumns, join_totals, sum_trips


@pytest.mark.parametrize(
    ("dataset", "names"),
    [
        ("yellow", ["tpep_pickup_datetime", "total_amount", "trip_distance"]),
        ("green", ["lpep_pickup_datetime", "total_amount", "trip_distance"]),
        ("fhv", ["pickup_datetime"]),
        ("fhvhv", ["pickup_datetime", "base_passenger_fare", "trip_miles"]),
    ],
)
def test_columns_follow_the_roles(dataset: str, names: list[str]) -> None:
    assert TotalsColumns.of(schema_of(Dataset(dataset))).names == names


def batch(*rows: tuple[int, float | None, float | None]) -> pa.RecordBatch:
    days, amounts, distances = zip(*rows, strict=True)
    return pa.RecordBatch.from_pydict(
        {
            "lpep_pickup_datetime": pa.array([datetime(2020, 12, day) for day in days], pa.timestamp("us")),
            "total_amount": pa.array(amounts, pa.float64()),
            "trip_distance": pa.array(distances, pa.float64()),
        }
    )


def test_batches_are_added_up() -> None:
    schema = schema_of(Dataset.green)
    totals = sum_trips(schema, [batch((3, 1.5, 2.0), (2, -0.5, None)), batch((9, None, 1.0))])
    assert totals == Totals(3, 1.0, 3.0, datetime(2020, 12, 2), datetime(2020, 12, 9))
    assert join_totals(schema, [totals, totals]).rows == 6


def test_nothing_is_zero_and_what_the_dataset_lacks_is_unknown() -> None:
    assert sum_trips(schema_of(Dataset.green), []) == Totals(0, 0.0, 0.0)
    assert sum_trips(schema_of(Dataset.green), [batch((1, None, None))]).amounts == 0.0
    assert sum_trips(schema_of(Dataset.fhv), []) == Totals(0, None, None)


def test_infinite_values_add_up_to_no_number_in_whatever_order() -> None:
    schema, infinite = schema_of(Dataset.green), float("inf")
    totals = sum_trips(schema, [batch((1, infinite, 1e308)), batch((1, -infinite, 1e308))])
    assert math.isnan(totals.amounts)
    assert totals.distances == infinite
    assert differences(totals, totals) == {}
