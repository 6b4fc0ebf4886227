"""What building models leaves in the UI."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from flows.decide.models import ModelsReport
from flows.tlc.visible import in_markdown
from flows.ui.artifacts import show_markdown, show_table
from flows.ui.report import best_effort


@task(name="publish-models", cache_policy=NO_CACHE, persist_result=False)
def publish_models(report: ModelsReport) -> None:
    """A summary in words with everything that failed or warns, and a table with a row a model."""
    log = get_run_logger()
    (log.error if report.failures else log.info)("%s", report.sentence)
    key = f"models-{report.target}"
    with best_effort("What was built is not shown"):
        show_markdown(_summary(report), key, report.sentence)
        if report.nodes:
            show_table(model_rows(report), f"{key}-built", report.sentence)


def model_rows(report: ModelsReport) -> list[dict[str, Any]]:
    """A row a model: how it ended, its seconds, its tests. A model of several portions is one row."""
    rows: dict[str, dict[str, Any]] = {}
    for node in report.nodes:
        if node.kind == "model":
            row = rows.setdefault(node.name, {"model": node.name, "status": node.status, "seconds": 0.0})
            row["seconds"] = round(row["seconds"] + node.seconds, 2)
            if node.status in ("failed", "skipped"):
                row["status"] = node.status
    for name, row in rows.items():
        tests = [node for node in report.nodes if node.kind == "test" and node.model == name]
        row["tests"] = len(tests)
        row["failed"] = sum(node.status == "failed" for node in tests)
    return list(rows.values())


def _summary(report: ModelsReport) -> str:
    lines = [f"## Models in {report.target}: {report.status}", "", in_markdown(report.sentence)]
    lines += ["", f"Where: {in_markdown(report.place)}"]
    lines += [f"- {in_markdown(node.sentence)}" for node in report.failures]
    warnings = [node for node in report.nodes if node.status == "warned"]
    if warnings:
        lines += ["", "Odd values, which the loads have counted:", ""]
        lines += [f"- {in_markdown(f'{node.model}: {node.name}')}" for node in warnings]
    return "\n".join(lines) + "\n"
