"""A report cannot lose a row."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from flows.tlc.report import LoadReport

BASE = {"dataset": "green", "month": "2020-12", "target": "postgres", "source_url": "http://x/"}


def test_report_whose_rows_do_not_add_up_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"green 2020-12: 10 rows read, but 8 loaded \+ 1 rejected"):
        LoadReport(**BASE, rows_read=10, rows_loaded=8, rows_rejected=1)


def test_report_survives_json() -> None:
    report = LoadReport(**BASE, rows_read=10, rows_loaded=9, rows_rejected=1, rejected_by_rule={"zero_distance": 1})
    assert LoadReport.model_validate_json(report.model_dump_json()) == report


def test_rows_per_second_of_no_time_are_none() -> None:
    assert LoadReport(**BASE).rows_per_second == 0
    assert LoadReport(**BASE, rows_read=10, rows_loaded=10, seconds=2).rows_per_second == 5


@pytest.mark.parametrize("wrong", [{"status": "done"}, {"target": "mysql"}])
def test_unknown_words_are_refused(wrong) -> None:
    with pytest.raises(ValidationError):
        LoadReport(**BASE | wrong)


def test_report_warns_of_a_file_of_another_month() -> None:
    counts = {"rows_read": 10, "rows_loaded": 9, "rows_rejected": 1}
    warned = LoadReport(**BASE, **counts, flagged_by_rule={"pickup_outside_month": 9}).warning
    assert warned.startswith("every one of the 9 trips was picked up outside 2020-12")
    assert LoadReport(**BASE, **counts, flagged_by_rule={"pickup_outside_month": 8}).warning is None
    assert LoadReport(**BASE).warning is None
