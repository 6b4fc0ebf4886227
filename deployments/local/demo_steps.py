"""What the demo does and prints. Imported once the environment is set (``demo``)."""

from __future__ import annotations

import os
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from blocks.embedded_postgres import start_postgres
from blocks.register import register_blocks
from blocks.settings import Settings
from deployments.local.compare_targets import compare_targets
from deployments.tlc_site.synthetic.months import months_sentence
from flows import api_to_gcs, api_to_postgres, gcs_to_bigquery
from flows.tlc.report import LoadReport

# Old and new file formats, both sources, every dataset.
MONTHS: list[dict[str, Any]] = [
    {"dataset": "yellow", "month": "2009-01"},
    {"dataset": "yellow", "month": "2024-05"},
    {"dataset": "yellow", "month": "2025-01"},
    {"dataset": "green", "month": "2020-12", "source": "mirror"},
    {"dataset": "green", "month": "2024-05", "drop_rules": ["zero_distance"]},
    {"dataset": "fhv", "month": "2024-05"},
    {"dataset": "fhvhv", "month": "2024-05"},
]


# In characters: the report table needs 94, and a pipe has no width of its own.
WIDTH = 100


@dataclass(frozen=True)
class Question:
    """A query that shows what the tables are good for."""

    asks: str
    sql: str


QUESTIONS = [
    Question(
        "In which zones do yellow taxis earn most?",
        """select z.zone, z.borough, count(*) as trips, round(sum(t.total_amount)::numeric) as dollars
from tlc.yellow_trips t join tlc.zones z on z.location_id = t.pu_location_id
where t.source_month >= '2024-01-01' group by 1, 2 order by dollars desc limit 5""",
    ),
    Question(
        "How do riders pay?",
        """select coalesce(p.name, 'not recorded') as paid_by, count(*) as trips,
    round(avg(t.tip_amount)::numeric, 2) as mean_tip
from tlc.yellow_trips t left join tlc.payment_types p on p.code = t.payment_type
where t.source_month = '2025-01-01' group by 1 order by 2 desc""",
    ),
    Question(
        "What was rejected, and why?",
        """select dataset, rule, count(*) as rows,
    min(coalesce(detail, 'row ' || row_number || ': ' || left(jsonb_strip_nulls(record)::text, 40) || ' …'))
        as for_example
from tlc.rejected_trips group by 1, 2 order by 3 desc limit 8""",
    ),
]


def run() -> None:
    """Load, report, query, and say where to go from here."""
    console = Console(width=WIDTH)
    console.print("[bold]1. An embedded Postgres, and a stand-in for the TLC site on loopback[/]")
    console.print(f"   It has {months_sentence()}.", soft_wrap=True, highlight=False)
    url = start_postgres()
    console.print("   Prefect's server starts (first time: half a minute) …")
    register_blocks()
    console.print("[bold]2. Three flow runs a month: source → Postgres, source → lake, lake → warehouse[/]")
    started = time.monotonic()
    months = [_load(parameters) for parameters in MONTHS]
    console.print(_report_table(months), soft_wrap=True)
    _print_total(console, [report for month in months for report in month], time.monotonic() - started)
    console.print("[bold]3. One question, three answers: yellow trips, their totals and their distance[/]")
    console.print(_table(*compare_targets(url)), soft_wrap=True)
    console.print("[bold]4. Three questions to the database[/]")
    _ask(console, url)
    _say_what_next(console, url)


def _load(parameters: dict[str, Any]) -> list[LoadReport]:
    """One month's reports for the three targets."""
    return [
        api_to_postgres(**parameters),
        api_to_gcs(**parameters),
        gcs_to_bigquery(dataset=parameters["dataset"], month=parameters["month"]),
    ]


def _report_table(months: list[list[LoadReport]]) -> Table:
    table = Table("month", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("read", "loaded", "rejected", "flagged", "→ Postgres", "→ lake", "→ warehouse"):
        table.add_column(name, justify="right", no_wrap=True)
    for reports in months:
        first = reports[0]
        numbers = (first.rows_read, first.rows_loaded, first.rows_rejected, first.rows_flagged)
        outcomes = [f"{each.seconds:.1f} s" if each.status == "loaded" else each.status for each in reports]
        table.add_row(f"{first.dataset} {first.month}", *(f"{number:,}" for number in numbers), *outcomes)
    return table


def _table(names: list[str], rows: list[list[str]], title: str | None = None) -> Table:
    table = Table(*names, title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    return table


def _print_total(console: Console, reports: list[LoadReport], seconds: float) -> None:
    loaded = [report for report in reports if report.status == "loaded"]
    if loaded:
        rows = sum(report.rows_loaded for report in loaded)
        console.print(f"   {rows:,} rows written in {seconds:.1f} s, downloads and bookkeeping included.")
    else:
        console.print(
            f"   Nothing to do: every month is already loaded as the source has it ({seconds:.1f} s, no download)."
        )


def _ask(console: Console, url: str) -> None:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            for question in QUESTIONS:
                cursor.execute(question.sql)
                names = [column.name for column in cursor.description or ()]
                rows = [[str(value) for value in row] for row in cursor.fetchall()]
                console.print(_table(names, rows, question.asks), soft_wrap=True)
    finally:
        connection.close()


def _say_what_next(console: Console, url: str) -> None:
    here = Path(__file__).resolve().parents[2]
    python = shlex.quote(os.path.relpath(sys.executable))
    question = '"select * from tlc.loads"'
    console.print(
        f"""[bold]Where to look next[/]
   psql "{url}"      (tables tlc.*_trips, tlc.zones, tlc.payment_types …, tlc.loads, tlc.rejected_trips)
   {Settings().local_dir}/lake      (trips/, codes/, rejected/, manifests/) and warehouse.duckdb beside it
   {python} -m deployments.local.demo status      (or any other command of python -m flows, on these months)
   {python} -m deployments.local.demo query {question} --target warehouse      (or lake, or postgres)
   make demo         again: every month is 'unchanged'
   make up DEMO=1    Prefect's UI with these runs, and every flow to run from a form; without DEMO=1, on real months
   make report       the answers: dbt builds the models, and ten charts of them open on one page (installs dbt once)
   make connect      lets DBeaver, Metabase and others read this Postgres
   make down         ends the embedded Postgres
   The real source, from Python in {here}:
     .venv/bin/python -c "from flows import api_to_postgres; api_to_postgres(dataset='green', month='2024-05')"
   Your own database: TLC_POSTGRES_URL=postgresql://user:password@host/database .venv/bin/python -m blocks.register""",
        soft_wrap=True,
        highlight=False,
    )
