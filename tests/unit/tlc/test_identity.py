"""Two loads are the same when they would put the same rows into the target."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flows.tlc.dataset import Dataset, Source
from flows.tlc.identity import MonthRequest
from flows.tlc.month import Month

REQUEST = MonthRequest(Dataset.green, Month(2020, 12))


def test_same_request_and_file_have_the_same_key() -> None:
    again = MonthRequest(Dataset.green, Month.parse("2020-12"), drop_rules=frozenset())
    assert again.content_key("v1") == REQUEST.content_key("v1")


@pytest.mark.parametrize(
    "other",
    [
        MonthRequest(Dataset.yellow, Month(2020, 12)),
        MonthRequest(Dataset.green, Month(2020, 11)),
        MonthRequest(Dataset.green, Month(2020, 12), Source.mirror),
        MonthRequest(Dataset.green, Month(2020, 12), drop_rules=frozenset({"zero_distance"})),
        MonthRequest(Dataset.green, Month(2020, 12), new_columns="keep"),
    ],
    ids=str,
)
def test_whatever_changes_the_rows_changes_the_key(other) -> None:
    assert other.content_key("v1") != REQUEST.content_key("v1")


def test_another_version_of_the_file_is_another_load() -> None:
    assert REQUEST.content_key("v1") != REQUEST.content_key("v2")


def test_order_of_dropped_rules_does_not_count_in_any_process() -> None:
    code = (
        "from flows.tlc.identity import *; from flows.tlc.month import Month; "
        "print(MonthRequest(Dataset.green, Month(2020, 12), "
        "drop_rules=frozenset(['zero_distance', 'negative_total', 'no_passengers'])).content_key('v'))"
    )
    keys = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(keys) == 1
