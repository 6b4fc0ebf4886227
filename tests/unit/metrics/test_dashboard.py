"""Dashboard, alert rules and docs/metrics.md speak of the metrics that the exporter has, with their labels."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from deployments.metrics.parts import PARTS
from deployments.metrics.samples import METRICS
from tests.servers.compose_file import PROJECT, REQUIRED, read_compose

LABELS = {metric.name: set(metric.labels) for metric in METRICS}
DASHBOARD = json.loads((PROJECT / "deployments/grafana/dashboard.json").read_text(encoding="utf-8"))
RULES = yaml.safe_load((PROJECT / "deployments/prometheus/rules.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
PAGE = (PROJECT / "docs/metrics.md").read_text(encoding="utf-8")
TARGETS: list[dict[str, Any]] = [target for panel in DASHBOARD["panels"] for target in panel["targets"]]
EXPRESSIONS = [*(target["expr"] for target in TARGETS), *(rule["expr"] for rule in RULES)]


def metrics_of(expression: str) -> set[str]:
    return set(re.findall(r"\btlc_\w+", expression))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions_have_metrics_that_there_are_with_labels_that_they_have(expression: str) -> None:
    found = metrics_of(expression)
    assert found <= LABELS.keys()
    assert found or "up{" in expression
    labels = {name for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression) for name in re.split(r",\s*", group)}
    assert all(labels <= LABELS[name] for name in found)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: str(target["expr"]))
def test_legends_name_labels_that_the_answer_has(target: dict[str, Any]) -> None:
    shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    grouped = re.search(r"\bby \(([^)]*)\)", target["expr"])
    assert shown == (set(re.split(r",\s*", grouped[1])) if grouped else set())


def test_every_alert_says_a_sentence_with_labels_that_it_has() -> None:
    for rule in RULES:
        shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        kept = re.search(r"\b(?:by|on) \(([^)]*)\)", rule["expr"])
        known = (
            set(re.split(r",\s*", kept[1])) if kept else set.union(*map(LABELS.get, metrics_of(rule["expr"])), set())
        )
        assert shown <= known, rule["alert"]


def test_dashboard_shows_what_operators_ask_for() -> None:
    """All but the versions, the reading's time and three that others stand for."""
    left_out = {
        "tlc_build_info", "tlc_read_timestamp_seconds", "tlc_months_loaded", "tlc_last_load_timestamp_seconds",
        "tlc_reconcile_months",
    }  # fmt: skip
    assert set().union(*(metrics_of(target["expr"]) for target in TARGETS)) == LABELS.keys() - left_out


def test_panels_do_not_overlap_and_have_numbers_of_their_own() -> None:
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_page_has_every_metric_as_the_exporter_has_it() -> None:
    rows = [
        f"| `{metric.name}` | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.says} |"
        for metric in METRICS
    ]
    assert [line for line in PAGE.splitlines() if line.startswith("| `tlc_")] == rows


def test_page_has_every_part_with_its_time() -> None:
    named = dict(re.findall(r"`(\w+)` \((\d+) s\)", PAGE))
    assert {name: float(seconds) for name, seconds in named.items()} == {part.name: part.seconds for part in PARTS}


def test_services_find_each_other() -> None:
    services = read_compose(dict.fromkeys(REQUIRED, "canary"))["services"]
    scraped = yaml.safe_load((PROJECT / "deployments/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    (target,) = scraped["scrape_configs"][0]["static_configs"][0]["targets"]
    host, _, port = target.partition(":")
    assert f"--port {port}" in services[host]["command"]
    folder = PROJECT / "deployments/grafana/provisioning"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yml").read_text(encoding="utf-8"))["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in services
    (provider,) = yaml.safe_load((folder / "dashboards/tlc.yml").read_text(encoding="utf-8"))["providers"]
    assert (
        f"./deployments/grafana/dashboard.json:{provider['options']['path']}/dashboard.json:ro"
        in (services["grafana"]["volumes"])
    )
