"""What replaying, reading and comparing a stream leave in the UI."""

from __future__ import annotations

import time

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from flows.decide.stream import ReplayReport, StreamComparison, StreamReport
from flows.tlc.visible import in_markdown
from flows.ui.artifacts import show_markdown
from flows.ui.report import best_effort

LOG_SECONDS = 10.0


class ReadLog:
    """A line in the log every ten seconds: what a run has read of a topic, and what it has not yet."""

    def __init__(self) -> None:
        self._due = time.monotonic() + LOG_SECONDS

    def __call__(self, report: StreamReport) -> None:
        if time.monotonic() >= self._due:
            get_run_logger().info("%s; %s events behind", report.sentence, f"{report.events_behind:,}")
            self._due = time.monotonic() + LOG_SECONDS


@task(name="publish-stream", cache_policy=NO_CACHE, persist_result=False)
def publish_stream(report: ReplayReport | StreamReport | StreamComparison, key: str) -> None:
    """A sentence in the log, and all numbers as an artifact."""
    get_run_logger().info("%s", report.sentence)
    lines = [
        f"| {name.replace('_', ' ')} | {f'{value:,}' if isinstance(value, int | float) else in_markdown(value)} |"
        for name, value in report.model_dump().items()
        if value not in ([], {}, "")
    ]
    with best_effort("The numbers are not shown in the UI"):
        markdown = "\n".join([in_markdown(report.sentence), "", "| | |", "| --- | ---: |", *lines])
        show_markdown(markdown, key, report.sentence)
