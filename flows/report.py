"""The models of Postgres or of the warehouse as ten charts on one page."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import flow
from prefect.runtime import flow_run

from flows.decide.charts import ChartsReport, DrawnChart
from flows.parameters import DrawnTargetName, FirstDrawnMonth, LastDrawnMonth, check_order, month_or_none
from flows.tasks.policy import with_context
from flows.tasks.report import check_charts_installed, draw_report, read_models
from flows.ui.charts import publish_charts


def _run_name() -> str:
    given = flow_run.get_parameters()
    first, last = given.get("start_month") or "", given.get("end_month") or ""
    return f"report of {given.get('target')} {f'{first}..{last}' if first or last else 'all months'}"


@flow(name="report", flow_run_name=_run_name, timeout_seconds=3600, persist_result=False)
def report(
    target: DrawnTargetName = "postgres",
    start_month: FirstDrawnMonth = None,
    end_month: LastDrawnMonth = None,
) -> ChartsReport:
    """Draw the models as ten charts: trips, shares, revenue, tips, travel times, quality.

    Writes one HTML page, which opens without the internet and says beside each chart its query and the query's rows.
    The run's artifacts are the same charts as pictures. Nothing is changed in the target.

    Requires: the block of the target (`python -m blocks.register`), models (`build_models`), and the extra `charts`.
    """
    started_at = datetime.now(UTC)
    with with_context("report"):
        check_order(month_or_none(start_month), month_or_none(end_month))
        check_charts_installed()
        answers = read_models(target, start_month, end_month)
        drawn = draw_report(target, answers)
    written = ChartsReport(
        target=target,
        place=answers.place,
        months=answers.months,
        page=str(drawn.page),
        charts=[
            DrawnChart(key=chart.key, title=chart.title, rows=len(chart.rows), query=chart.sql)
            for chart in answers.of_charts
        ],
        seconds=round((datetime.now(UTC) - started_at).total_seconds(), 3),
    )
    publish_charts(written, drawn.pictures)
    return written
