"""The picture that a load leaves in the UI: trips a day."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date

from prefect.artifacts import create_image_artifact

from flows.tlc.dataset import Dataset, dataset_info
from flows.tlc.report import LoadReport
from flows.ui.days_chart import draw_days
from flows.ui.later import show
from flows.ui.report import best_effort

# The pictures that the run under way has already, if it wants one of a month.
_drawn: ContextVar[set[str]] = ContextVar("drawn")


@contextmanager
def one_picture_a_month() -> Iterator[None]:
    """Let the first target that is loaded within draw the month: the others would show the same trips."""
    token = _drawn.set(set())
    try:
        yield
    finally:
        _drawn.reset(token)


def publish_days(report: LoadReport, rows_by_day: Mapping[date, int], key: str | None = None) -> None:
    """An image of the loaded rows by pickup date, if any was loaded; ``key`` names the load's artifacts."""
    show(_publish, report, rows_by_day, key)


def _publish(report: LoadReport, rows_by_day: Mapping[date, int], key: str | None) -> None:
    key = f"{key or f'{report.dataset}-{report.month}'}-days"
    drawn = _drawn.get(set())
    if key in drawn or report.status != "loaded" or not any(rows_by_day.values()):
        return
    with best_effort("The month is loaded, its picture is not there"):
        title = f"{dataset_info(Dataset(report.dataset)).title} a day, {report.month}"
        picture = b64encode(draw_days(rows_by_day, title).encode()).decode()
        create_image_artifact(
            image_url=f"data:image/svg+xml;base64,{picture}", key=key, description=days_sentences(report, rows_by_day)
        )
        drawn.add(key)


def days_sentences(report: LoadReport, rows_by_day: Mapping[date, int]) -> str:
    """What the picture shows, in words, and how many rows it leaves out."""
    shown = sum(rows_by_day.values())
    busiest, quietest = (choose(rows_by_day, key=lambda day: rows_by_day[day]) for choose in (max, min))
    outside = report.rows_loaded - shown
    return (
        f"{report.dataset} {report.month}: {shown:,} trips by pickup date, "
        f"{shown / len(rows_by_day):,.0f} a day; most on {busiest:%a} {busiest} ({rows_by_day[busiest]:,}), "
        f"fewest on {quietest:%a} {quietest} ({rows_by_day[quietest]:,})."
        + (f" Loaded but not shown: {outside:,} with a pickup outside of these days." if outside else "")
    )
