"""What the metrics say of plain values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from deployments.metrics.collector import PartsCollector
from deployments.metrics.samples import METRICS, UP, months_behind, of_comparison, of_loads
from flows.decide.plan import LoadedMonth
from flows.tlc.report import LoadReport

NOW = datetime(2026, 11, 29, 20, 0, tzinfo=UTC)


def load(month: str, *, rows: int, seconds: float, hours_ago: float, is_intact: bool = True) -> LoadedMonth:
    report = LoadReport(
        dataset="green",
        month=month,
        target="postgres",
        source_url="https://example.org/green.parquet",
        rows_read=rows,
        rows_loaded=rows,
        seconds=seconds,
    )
    return LoadedMonth(report, "key", NOW - timedelta(hours=hours_ago), is_intact=is_intact)


def test_a_dataset_in_a_target() -> None:
    """Of a month whose rows are gone nothing is told, as if it had never been loaded."""
    loads = {
        "2026-06": load("2026-06", rows=10, seconds=1, hours_ago=500),
        "2026-07": load("2026-07", rows=20, seconds=9, hours_ago=23.9),
        "2026-05": load("2026-05", rows=40, seconds=2, hours_ago=24.1),
        "2026-09": load("2026-09", rows=80, seconds=50, hours_ago=1, is_intact=False),
    }
    samples = list(of_loads("green", "postgres", loads, NOW))
    assert {sample.labels for sample in samples} == {("green", "postgres")}
    assert {sample.metric.name: sample.value for sample in samples} == {
        "tlc_months_behind": 2,
        "tlc_months_loaded": 3,
        "tlc_rows_loaded": 70,
        "tlc_rows_loaded_last_day": 20,
        "tlc_last_load_timestamp_seconds": (NOW - timedelta(hours=23.9)).timestamp(),
        "tlc_last_load_seconds": 9,
        "tlc_median_load_seconds": 2,
    }


def test_a_dataset_that_nothing_is_loaded_of_has_no_sample() -> None:
    assert list(of_loads("fhv", "lake", {}, NOW)) == []


@pytest.mark.parametrize(
    ("newest", "now", "behind"),
    [
        ("2026-09", NOW, 0),
        ("2026-08", NOW, 1),
        ("2025-09", NOW, 12),
        ("2026-10", NOW, 0),  # TLC was early
        ("2026-09", datetime(2026, 12, 1, 4, 59, tzinfo=UTC), 0),  # in New York it is November
        ("2026-09", datetime(2026, 12, 1, 5, 0, tzinfo=UTC), 1),
    ],
)
def test_months_behind_are_counted_to_the_month_before_last_in_new_york(
    newest: str, now: datetime, behind: int
) -> None:
    assert months_behind(newest, now) == behind


def test_a_comparison_is_told_with_what_differs() -> None:
    samples = {sample.metric.name: sample.value for sample in of_comparison("green", NOW, 3, 1)}
    assert samples == {
        "tlc_reconcile_timestamp_seconds": NOW.timestamp(),
        "tlc_reconcile_months": 3,
        "tlc_reconcile_differing_months": 1,
    }


def test_page_has_each_sample_with_its_labels() -> None:
    registry = CollectorRegistry()
    registry.register(PartsCollector([], [UP.sample(1, "postgres"), UP.sample(0, "lake")]))
    (family,) = text_string_to_metric_families(generate_latest(registry).decode())
    assert (family.name, family.type, family.documentation) == ("tlc_up", "gauge", UP.says)
    assert [(sample.labels, sample.value) for sample in family.samples] == [
        ({"part": "postgres"}, 1),
        ({"part": "lake"}, 0),
    ]


def test_names_follow_the_conventions_of_prometheus() -> None:
    """``promtool check metrics`` says more: deployments/containers/verify.sh."""
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    assert [name for name in names if not name.startswith("tlc_") or name.endswith(("_total", "_count", "_sum"))] == []
    assert [metric.name for metric in METRICS if not metric.says.endswith(".")] == []
