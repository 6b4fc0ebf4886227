"""Which months a regular look asks for."""

from __future__ import annotations

from dataclasses import replace

from flows.decide.new_months import first_not_out, months_to_ask_for, newest_only, requests_by_target
from flows.tlc.dataset import Dataset
from flows.tlc.identity import MonthRequest
from flows.tlc.month import Month, months_between, newest_month
from tests.unit.decide.test_plan import standing

NEWEST = Month(2026, 9)
FIRST = Month(2014, 1)


def loads(*months: str) -> dict:
    return {month: standing() for month in months}


def asked(ledgers, start=None, recheck=0) -> list[str]:
    return [
        str(month) for month in months_to_ask_for(ledgers, first=FIRST, newest=NEWEST, start=start, recheck=recheck)
    ]


def test_months_after_the_newest_loaded_one_are_new() -> None:
    assert asked({"postgres": loads("2026-05", "2026-06")}) == ["2026-07", "2026-08", "2026-09"]


def test_target_that_is_behind_catches_up() -> None:
    ledgers = {"postgres": loads("2026-08"), "gcs": loads("2026-06"), "bigquery": {}}
    assert asked(ledgers) == ["2026-07", "2026-08", "2026-09"]


def test_where_nothing_is_loaded_the_recent_months_are_asked_for_and_the_newest_loaded() -> None:
    months = asked({"postgres": {}})
    assert months == ["2026-04", "2026-05", "2026-06", "2026-07", "2026-08", "2026-09"]
    assert newest_only([Month(2026, 5), Month(2026, 6)], {"postgres": {}}, None) == {Month(2026, 6)}
    assert newest_only([], {"postgres": {}}, None) == set()
    assert newest_only([Month(2026, 5)], {"postgres": loads("2026-04")}, None) == {Month(2026, 5)}


def test_start_asks_for_gaps_too_but_not_before_the_dataset_began() -> None:
    ledgers = {"postgres": loads("2026-08")}
    assert asked(ledgers, start=Month(2026, 7)) == ["2026-07", "2026-08", "2026-09"]
    assert asked(ledgers, start=Month(2009, 1))[0] == "2014-01"


def test_newest_loaded_months_are_compared_again() -> None:
    ledgers = {"postgres": loads("2025-09", "2026-08", "2026-09"), "gcs": loads("2026-09")}
    assert asked(ledgers, recheck=2) == ["2026-08", "2026-09"]
    assert asked(ledgers, recheck=1000) == ["2025-09", "2026-08", "2026-09"]


def test_month_that_failed_while_a_later_one_did_not_is_asked_for_again() -> None:
    ledgers = {"postgres": loads("2026-05", "2026-07"), "gcs": loads("2026-05", "2026-07")}
    assert asked(ledgers, recheck=24) == ["2026-05", "2026-06", "2026-07", "2026-08", "2026-09"]


def loaded_as(**changes: object) -> dict:
    found = standing()
    return {"2020-12": replace(found, report=found.report.model_copy(update=changes))}


def test_every_target_is_loaded_as_it_was_and_by_default_where_it_was_not() -> None:
    month = Month(2020, 12)
    plain = MonthRequest(Dataset.green, month)
    cleaned = replace(plain, drop_rules=frozenset({"zero_distance"}))
    kept = replace(plain, new_columns="keep")

    def turns(standing: dict) -> dict:
        return requests_by_target(Dataset.green, month, standing, ["postgres", "gcs", "bigquery"])

    rules = loaded_as(drop_rules=["zero_distance"], new_columns="fail")
    none = loaded_as(drop_rules=[], new_columns="fail")
    unsaid = loaded_as(rejected_by_rule={"zero_distance": 3, "unfit_value": 1})
    keeping = loaded_as(drop_rules=[], new_columns="keep")
    assert turns({"postgres": rules, "gcs": none, "bigquery": rules}) == {
        cleaned: ["postgres"],
        plain: ["gcs", "bigquery"],
    }
    assert turns({"postgres": none, "gcs": unsaid, "bigquery": {}}) == {
        plain: ["postgres"],
        cleaned: ["gcs", "bigquery"],
    }
    assert turns({"postgres": rules, "gcs": rules, "bigquery": {}}) == {cleaned: ["postgres", "gcs", "bigquery"]}
    assert turns({"postgres": rules, "gcs": {}, "bigquery": {}}) == {cleaned: ["postgres"], plain: ["gcs", "bigquery"]}
    assert turns({"postgres": keeping, "gcs": keeping, "bigquery": {}}) == {kept: ["postgres", "gcs", "bigquery"]}


def test_month_that_is_waited_for_comes_after_those_that_are_out() -> None:
    withdrawn, out, to_come = Month(2026, 3), Month(2026, 6), Month(2026, 7)
    assert first_not_out({withdrawn: False, out: True, to_come: False, to_come.plus(1): False}) == to_come
    assert first_not_out({to_come: False}) == to_come
    assert first_not_out({out: True}) is None


def test_a_month_can_be_out_six_weeks_after_its_end() -> None:
    assert newest_month(NEWEST.first_day) == Month(2026, 7)
    assert list(months_between(Month(2025, 11), Month(2026, 2))) == [
        Month(2025, 11),
        Month(2025, 12),
        Month(2026, 1),
        Month(2026, 2),
    ]
