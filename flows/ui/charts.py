"""What a report leaves in the UI: its charts as pictures, and a page that says where each is from."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

from prefect import get_run_logger, task
from prefect.artifacts import create_image_artifact
from prefect.cache_policies import NO_CACHE

from flows.decide.charts import ChartsReport
from flows.tlc.visible import in_markdown
from flows.ui.artifacts import show_markdown
from flows.ui.report import best_effort


@task(name="publish-charts", cache_policy=NO_CACHE, persist_result=False)
def publish_charts(report: ChartsReport, pictures: Mapping[str, str]) -> None:
    """A picture a chart, numbered in the page's order, and a summary with the queries. ``pictures``: SVG by chart."""
    get_run_logger().info("%s", report.sentence)
    key = f"report-{report.target}"
    with best_effort("The page is written, its pictures are not shown"):
        show_markdown(_summary(report), key, report.sentence)
        for number, chart in enumerate(report.charts, 1):
            if chart.key in pictures:
                picture = b64encode(pictures[chart.key].encode()).decode()
                create_image_artifact(
                    image_url=f"data:image/svg+xml;base64,{picture}",
                    key=f"{key}-{number:02d}-{chart.key}",
                    description=f"{chart.title}: {chart.rows:,} rows",
                )


def _summary(report: ChartsReport) -> str:
    where = f"Where the models are: {in_markdown(report.place)}"
    lines = ["## Report", "", in_markdown(report.sentence), "", where]
    for number, chart in enumerate(report.charts, 1):
        lines += ["", f"### {number}. {chart.title}: {chart.rows:,} rows", "", "```sql", chart.query, "```"]
    return "\n".join(lines) + "\n"
