"""The tasks of the report: the charts' queries, and the page with their pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.settings import Settings, make_private
from flows.decide.charts import span_of
from flows.decide.models import ModelsTarget
from flows.tasks.connect import open_warehouse, postgres_connected
from flows.tasks.policy import RETRY_TRANSIENT
from flows.tlc.errors import ChartsNotInstalled, CheckFailed, ModelsMissing, ParameterError
from flows.tlc.month import Month

if TYPE_CHECKING:
    from flows.load.marts import MartsReader

# The extra ``charts``, which loads do not need.
_LIBRARIES = ("altair", "vl_convert")


@dataclass(frozen=True)
class Answer:
    """What one chart is drawn from: its query and the rows of that."""

    key: str
    title: str
    sql: str
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class Answers:
    """What all charts are drawn from, as it was at one moment."""

    place: str
    months: list[str]
    of_charts: list[Answer]


@dataclass(frozen=True)
class Drawn:
    """The page that was written, and the charts as SVG by their keys."""

    page: Path
    pictures: dict[str, str]


def check_charts_installed() -> None:
    """Raise ChartsNotInstalled if the libraries that draw are not there."""
    if any(find_spec(library) is None for library in _LIBRARIES):
        raise ChartsNotInstalled(
            "the libraries that draw charts are not installed: install the project with the extra 'charts' "
            "(pip install 'altair>=6' 'vl-convert-python>=1.9')."
        )


@task(name="read-models", task_run_name="read the models in {target}", **RETRY_TRANSIENT)
def read_models(target: ModelsTarget, start_month: str | None, end_month: str | None) -> Answers:
    """Ask the queries of all charts for the months that are there from ``start_month`` to ``end_month``.

    Raises ModelsMissing if the target lacks models, ParameterError if it has none of these months.
    """
    from flows.charts.catalogue import CHARTS  # noqa: PLC0415 - Altair takes 2 s

    with _reading(target) as reader:
        months = _months(reader, start_month, end_month)
        first, last = Month.parse(months[0]), Month.parse(months[-1])
        answers = []
        for chart in CHARTS:
            sql = chart.sql(reader.sql_names, first, last)
            answers.append(Answer(chart.key, chart.title, sql, _bounded(chart.key, reader.rows(sql))))
        return Answers(reader.place, months, answers)


@contextmanager
def _reading(target: ModelsTarget) -> Iterator[MartsReader]:
    if target == "bigquery":
        with open_warehouse().reading_marts() as reader:
            yield reader
        return
    from flows.load.postgres.marts import reading_marts  # noqa: PLC0415 - only if it is the target

    with postgres_connected() as connection, reading_marts(connection) as reader:
        yield reader


def _months(reader: MartsReader, start: str | None, end: str | None) -> list[str]:
    from flows.charts.catalogue import MONTHS  # noqa: PLC0415 - Altair takes 2 s

    found = reader.rows(MONTHS.substitute(reader.sql_names))
    there = [str(Month.of(row["month"])) for row in found]
    if not there:
        raise ModelsMissing(f"the models in {reader.place} have no month yet: run build_models when one is loaded.")
    months = [month for month in there if (start or "") <= month <= (end or "9999")]
    if not months:
        raise ParameterError(
            f"the models in {reader.place} have no month from {start or 'the first'} to {end or 'the last'}: they have "
            f"{len(there)} from {there[0]} to {there[-1]}. Choose of these, or run build_models for others."
        )
    return months


def _bounded(key: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from flows.charts.chart import MOST_ROWS  # noqa: PLC0415 - Altair takes 2 s

    if len(rows) > MOST_ROWS:
        raise CheckFailed(
            f"the query of the chart {key} has {len(rows):,} rows, at most {MOST_ROWS:,} can be drawn: choose fewer "
            "months with start_month and end_month."
        )
    return rows


@task(name="draw-report", task_run_name="draw the report", cache_policy=NO_CACHE, persist_result=False)
def draw_report(target: ModelsTarget, answers: Answers) -> Drawn:
    """Draw all charts, and write the page: whole, or the one before stays."""
    from flows.charts.catalogue import CHARTS  # noqa: PLC0415 - Altair takes 2 s
    from flows.charts.chart import plain_row  # noqa: PLC0415
    from flows.charts.page import Picture, page_of  # noqa: PLC0415

    pictures = [
        Picture.of(chart, answer.sql, [plain_row(row) for row in answer.rows])
        for chart, answer in zip(CHARTS, answers.of_charts, strict=True)
    ]
    page = page_of(pictures, months=span_of(answers.months), place=answers.place, written_at=datetime.now(UTC))
    return Drawn(_write(target, page), {one.chart.key: one.svg for one in pictures if one.svg})


def _write(target: ModelsTarget, page: str) -> Path:
    local = Settings().local_dir.absolute()
    make_private(local)
    path = local / "reports" / f"{target}.html"
    path.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=f"{target}.") as unfinished:
        file = Path(unfinished) / path.name
        file.write_text(page, encoding="utf-8")
        file.replace(path)
    return path
