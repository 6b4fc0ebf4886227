"""The models answer the same in Postgres and in DuckDB, to the cent, as plain SQL over the trips does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from flows import build_models
from flows.dbt.project import mart_names
from tests.flows.models.conftest import Put, Rows, Targets, by_keys, load
from tests.plain_marts import PLAIN, TRIPS

# What the ledger says of the rules is a part of that mart.
OF_LEDGER = "union all " + " union all ".join(
    f"select (month || '-01')::date, dataset, '{outcome}', rule, n, n from (select month, dataset, "
    f"unnest(json_keys({outcome}_by_rule)) as rule, ({outcome}_by_rule ->> rule)::bigint as n from tlc.loads)"
    for outcome in ("flagged", "rejected")
)
ADDED = {"month_quality": OF_LEDGER}


def sums(row: tuple[Any, ...]) -> list[float]:
    return [value for value in row if isinstance(value, float)]


def assert_answers(read_mart: Callable[[str], Rows], plain: Callable[[str], Rows]) -> None:
    """Each mart has the rows that plain SQL gives; ``plain`` queries the trips in DuckDB."""
    assert set(PLAIN) == set(mart_names())
    for mart, sql in PLAIN.items():
        expected, found = sorted(plain(f"{TRIPS} {sql} {ADDED.get(mart, '')}"), key=by_keys), read_mart(mart)
        assert len(expected) >= 3, mart
        assert [by_keys(row) for row in found] == [by_keys(row) for row in expected], mart
        for row, other in zip(found, expected, strict=True):
            assert sums(row) == pytest.approx(sums(other), abs=0.005), (mart, row)


@pytest.mark.timeout(900)
def test_both_engines_answer_as_plain_sql_does(targets: Targets, publish: Put) -> None:
    for dataset in ("yellow", "fhv", "fhvhv"):
        publish(dataset, "2023-12", rows=4_000)
        load(dataset, "2023-12")
    publish("yellow", "2009-01", rows=1_000)  # without zones
    load("yellow", "2009-01")
    load("green", "2023-12")  # real files
    load("green", "2020-12", drop_rules=["zero_distance"])

    for target in ("postgres", "bigquery"):
        report = build_models(target=target)
        assert (report.status, report.months) == ("built", ["2009-01", "2020-12", "2023-12"])
        assert report.failures == []
        assert {node.name for node in report.of("model", "built")} >= set(mart_names())
    for target in ("postgres", "bigquery"):
        assert_answers(partial(targets.rows, target), partial(targets.query, "bigquery"))

    for target in ("postgres", "bigquery"):
        assert build_models(target=target).status == "unchanged"
