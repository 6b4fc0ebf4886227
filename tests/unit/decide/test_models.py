"""Which months of the models are to be built, in which portions, and what failures say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flows.decide import models
from flows.decide.models import (
    ModelBuild,
    ModelNode,
    ModelsReport,
    TripsLoad,
    are_outdated,
    in_portions,
    months_to_build,
)

AT = datetime(2026, 11, 1, tzinfo=UTC)
MARTS = ["daily_trips", "tips"]


def load(month: str, dataset: str = "green", at: datetime = AT, rows: int = 10) -> TripsLoad:
    return TripsLoad(dataset, month, at, rows)


def built(*loads: TripsLoad, marts: list[str] = MARTS, version: str = "v1") -> list[ModelBuild]:
    return [ModelBuild(mart, one.dataset, one.month, one.loaded_at, version) for mart in marts for one in loads]


def test_what_was_never_built_is_built() -> None:
    assert months_to_build([load("2024-05"), load("2024-04")], [], MARTS, "v1") == ["2024-04", "2024-05"]


def test_what_was_built_from_the_loads_that_stand_is_left() -> None:
    loads = [load("2024-05"), load("2024-05", "yellow"), load("2024-04")]
    assert months_to_build(loads, built(*loads), MARTS, "v1") == []


@pytest.mark.parametrize(
    "builds",
    [
        built(load("2024-05", at=AT - timedelta(seconds=1))),
        built(load("2024-05"), load("2024-05", "yellow")),
        built(load("2024-05"), marts=["daily_trips"]),
        built(load("2024-05"), version="v0"),
    ],
    ids=["loaded-again", "another-dataset-removed", "one-mart-lacks-it", "another-version"],
)
def test_what_was_built_from_anything_else_is_built_again(builds: list[ModelBuild]) -> None:
    assert months_to_build([load("2024-05")], builds, MARTS, "v1") == ["2024-05"]


def test_tables_are_outdated_by_other_sql_of_theirs_and_not_by_other_names() -> None:
    builds = built(load("2024-05"), marts=["tips"], version="sql1-names1")
    assert not are_outdated(builds, ["tips"], "sql1")
    assert are_outdated(builds, ["tips"], "sql2")
    assert not are_outdated(builds, ["daily_trips"], "sql2")
    assert months_to_build([load("2024-05")], builds, ["tips"], "sql1-names2") == ["2024-05"]


def test_a_removed_month_is_built_so_that_its_rows_go() -> None:
    assert months_to_build([], built(load("2024-05")), MARTS, "v1") == ["2024-05"]


def test_marts_that_are_not_asked_for_do_not_count() -> None:
    assert months_to_build([load("2024-05")], built(load("2024-05"), marts=["tips"]), ["tips"], "v1") == []


def test_the_range_counts_for_all_and_everything_means_changed_or_not() -> None:
    loads = [load(f"2024-0{number}") for number in range(1, 6)]
    assert months_to_build(loads, [], MARTS, "v1", first="2024-02", last="2024-03") == ["2024-02", "2024-03"]
    again = months_to_build(loads, built(*loads), MARTS, "v1", first="2024-04", everything=True)
    assert again == ["2024-04", "2024-05"]


def test_portions_are_bounded_in_months_and_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "MOST_MONTHS", 3)
    monkeypatch.setattr(models, "MOST_ROWS", 100)
    months = [f"2024-0{number}" for number in range(1, 8)]
    small = [load(month, rows=1) for month in months]
    assert [len(portion) for portion in in_portions(months, small)] == [3, 3, 1]
    large = [load(month, rows=60) for month in months] + [load("2024-01", "fhvhv", rows=500)]
    assert list(in_portions(months, large)) == [[month] for month in months]
    assert list(in_portions([], small)) == []


def test_a_failed_test_says_model_test_rows_and_query() -> None:
    node = ModelNode(
        kind="test",
        name="one_row_per",
        status="failed",
        model="tips",
        rows=2,
        query="select 1\n  from x\n",
        message="m",
    )
    assert node.sentence == "model tips fails its test one_row_per in 2 rows: select 1 from x"
    report = ModelsReport(
        target="postgres", nodes=[node, ModelNode(kind="model", name="a", status="failed", message="b.")]
    )
    assert report.failure_sentence.startswith(node.sentence + "; model a failed: b. ")
    assert report.of("test", "failed") == [node]
