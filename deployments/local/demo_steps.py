"""What the demo does and prints. Imported once the environment is set (``demo``)."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from blocks.embedded import start_postgres
from blocks.register import register_blocks
from blocks.settings import Settings
from deployments.local.months import generate
from deployments.local.site import TripSite
from flows import api_to_postgres
from flows.tlc.report import LoadReport

# Old and new eras, both sources, every dataset.
MONTHS: list[dict[str, Any]] = [
    {"dataset": "yellow", "month": "2009-01"},
    {"dataset": "yellow", "month": "2024-05"},
    {"dataset": "yellow", "month": "2025-01"},
    {"dataset": "green", "month": "2020-12", "source": "mirror"},
    {"dataset": "green", "month": "2024-05", "drop_rules": ["zero_distance"]},
    {"dataset": "fhv", "month": "2024-05"},
    {"dataset": "fhvhv", "month": "2024-05"},
]


@dataclass(frozen=True)
class Question:
    """A query that shows what the tables are good for."""

    asks: str
    sql: str


QUESTIONS = [
    Question(
        "Which zones do yellow taxis leave from most?",
        """select z.zone, count(*) as trips, round(avg(t.total_amount)::numeric, 2) as mean_total
from tlc.yellow_trips t join tlc.zones z on z.location_id = t.pu_location_id
where t.source_month >= '2024-01-01' group by z.zone order by trips desc limit 5""",
    ),
    Question(
        "How do riders pay?",
        """select payment_type, count(*) as trips, round(avg(tip_amount)::numeric, 2) as mean_tip
from tlc.yellow_trips where source_month = '2025-01-01' group by 1 order by 2 desc""",
    ),
    Question(
        "What was rejected, and why?",
        """select dataset, rule, count(*) as rows, min(detail) as for_example
from tlc.rejected_trips group by 1, 2 order by 3 desc limit 8""",
    ),
]


def run() -> None:
    """Load, report, query, and say where to go from here."""
    console = Console()
    console.print("[bold]1. An embedded Postgres, and a stand-in for the TLC site on loopback[/]")
    url = start_postgres()
    folder = Settings().local_dir / "site"
    with TripSite(generator=lambda path: generate(path, folder)) as site:
        os.environ |= {"TLC_SOURCE_URL": site.url, "TLC_MIRROR_URL": site.url}
        console.print("   Prefect's server starts (first time: half a minute) …")
        register_blocks()
        console.print("[bold]2. One flow run a month: source → Postgres[/]")
        started = time.monotonic()
        reports = [api_to_postgres(**parameters) for parameters in MONTHS]
        console.print(_report_table(reports), soft_wrap=True)
        _print_total(console, reports, time.monotonic() - started)
    console.print("[bold]3. Three questions to the database[/]")
    _ask(console, url)
    _say_what_next(console, url)


def _report_table(reports: list[LoadReport]) -> Table:
    table = Table("dataset", "month", "status", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("read", "loaded", "rejected", "flagged", "rows/s"):
        table.add_column(name, justify="right")
    for report in reports:
        numbers = (report.rows_read, report.rows_loaded, report.rows_rejected, report.rows_flagged)
        speed = f"{report.rows_per_second:,.0f}" if report.status == "loaded" else ""
        table.add_row(report.dataset, report.month, report.status, *(f"{number:,}" for number in numbers), speed)
    return table


def _print_total(console: Console, reports: list[LoadReport], seconds: float) -> None:
    loaded = [report for report in reports if report.status == "loaded"]
    if loaded:
        rows = sum(report.rows_loaded for report in loaded)
        console.print(f"   {rows:,} rows in {seconds:.1f} s, downloads and bookkeeping included.")
    else:
        console.print(f"   Nothing to do: every month stands as the source has it ({seconds:.1f} s, no download).")


def _ask(console: Console, url: str) -> None:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            for question in QUESTIONS:
                cursor.execute(question.sql)
                table = Table(*(column.name for column in cursor.description or ()), title=question.asks, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
                for row in cursor.fetchall():
                    table.add_row(*(str(value) for value in row))
                console.print(table, soft_wrap=True)
    finally:
        connection.close()


def _say_what_next(console: Console, url: str) -> None:
    here = Path(__file__).resolve().parents[2]
    console.print(
        f"""[bold]Where to look next[/]
   psql "{url}"      (tables tlc.*_trips, tlc.loads, tlc.rejected_trips, tlc.zones)
   make demo         again: every month is 'unchanged'
   make up           Prefect's UI, with every flow to run from a form
   make down         ends the embedded Postgres
   The real source, from Python in {here}:
     .venv/bin/python -c "from flows import api_to_postgres; api_to_postgres(dataset='green', month='2024-05')"
   Your own database: TLC_POSTGRES_URL=postgresql://user:password@host/database .venv/bin/python -m blocks.register""",
        soft_wrap=True,
        highlight=False,
    )
