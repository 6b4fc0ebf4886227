"""The charts' queries are BigQuery's SQL too, each reads its own mart, and its picture has a mark a row."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
import sqlglot
from sqlglot import exp

from flows.charts.catalogue import CHARTS, MONTHS
from flows.charts.chart import Chart, plain_row
from flows.dbt.project import mart_names
from flows.load.marts import SQL_NAMES
from flows.tlc.month import Month
from tests.made_up_marts import COLUMNS

BIGQUERY = {"marts": "`p`.tlc_marts", "weekday": "format_datetime('%u', pickup_hour)"}
NAMES = {"postgres": SQL_NAMES, "duckdb": SQL_NAMES, "bigquery": BIGQUERY}
by_chart = pytest.mark.parametrize("chart", CHARTS, ids=[chart.key for chart in CHARTS])


def test_there_is_one_of_each_mart() -> None:
    assert sorted(chart.key.replace("-", "_") for chart in CHARTS) == mart_names()
    assert sorted(COLUMNS) == mart_names()  # what the other tests make up


@by_chart
@pytest.mark.parametrize("dialect", NAMES)
def test_query_is_sql_of_every_engine_and_reads_its_mart_alone(chart: Chart, dialect: str) -> None:
    sql = chart.sql(NAMES[dialect], Month(2024, 1), Month(2024, 5))
    (statement,) = sqlglot.parse(sql, read=dialect)
    assert isinstance(statement, exp.Select)
    tables = {table.name for table in statement.find_all(exp.Table)}
    assert tables == {chart.key.replace("-", "_")}
    assert "between date '2024-01-01' and date '2024-05-01'" in sql
    assert "$" not in sql


def test_months_are_asked_in_sql_of_every_engine() -> None:
    for dialect, names in NAMES.items():
        sqlglot.parse_one(MONTHS.substitute(names), read=dialect)


@by_chart
def test_words_say_what_is_left_out(chart: Chart) -> None:
    assert "left out" in chart.words.lower()


def test_months_and_numbers_of_any_engine_become_those_of_json() -> None:
    row = {"month": date(2024, 5, 1), "trips": 3, "percent": Decimal("12.5"), "zone": None}
    assert plain_row(row) == {"month": "2024-05", "trips": 3, "percent": 12.5, "zone": None}
