"""What ``make demo STREAM=1`` does and prints: a month of trips as events, into Postgres while they come."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg2
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from blocks.embedded_postgres import start_postgres
from blocks.register import register_blocks
from deployments.local.demo_steps import WIDTH
from flows import api_to_gcs, reconcile_stream, replay_trips, stream_to_postgres
from flows.decide.stream import ReplayReport, StreamReport
from flows.tasks.stream import open_broker

MONTH: dict[str, Any] = {"dataset": "green", "month": "2024-05"}
# The month's 31 days in nine seconds: some 4,000 trips a second.
SPEED = 300_000
_WINDOWS = """select pu_location_id as zone, to_char(window_start, 'DD Mon HH24:MI') as from, trips
from tlc_stream.zone_windows where topic = %s order by trips desc, 1, 2 limit 3"""


def run() -> None:
    """Replay, read, compare, and say where to look."""
    console = Console(width=WIDTH)
    console.print("Prefect's server starts, Postgres and a broker of events (first time: half a minute) …")
    url = start_postgres()
    register_blocks()
    loaded = api_to_gcs(**MONTH)
    topic = f"demo.{int(time.time())}.green"
    console.print(f"[bold]1. {loaded.rows_loaded:,} trips of {loaded.dataset} {loaded.month} go to a topic[/]")
    sent, reads = _replay_and_read(topic)
    compared = reconcile_stream(**MONTH, topic=topic)
    names = ("events in", "rows out", "doubled", "rejected", "odd trips", "longest lag", "unread")
    table = Table(*names, box=SIMPLE_HEAD)
    table.add_row(
        f"{sum(read.events_read for read in reads):,}",
        f"{sum(read.rows_loaded for read in reads):,}",
        f"{sum(read.rows_doubled for read in reads):,} of {sent.doubled:,}",
        f"{sum(read.rows_rejected for read in reads):,}",
        f"{sum(read.rows_flagged for read in reads):,}",
        f"{max(read.lag_seconds for read in reads):.1f} s",
        str(reads[-1].events_behind),
    )
    console.print(table)
    console.print("[bold]2. The same in the stream and in the lake, by zone and hour[/]")
    sums = Table("", "trips", "sum of totals, $", box=SIMPLE_HEAD)
    sums.add_row("stream (tlc_stream.trips)", f"{compared.rows_in_stream:,}", f"{compared.amounts_in_stream:,.2f}")
    sums.add_row("lake (Parquet)", f"{compared.rows_in_lake:,}", f"{compared.amounts_in_lake:,.2f}")
    console.print(sums)
    console.print("[bold]3. The busiest five minutes of a zone[/]")
    console.print(_busiest(url, topic))
    console.print(
        f'psql "{url}"      (tlc_stream.trips, offsets, rejected_events, zone_windows, zone_sessions)\n'
        "make down         ends Postgres and the broker, and with the broker its events",
        soft_wrap=True,
        highlight=False,
    )


def _replay_and_read(topic: str) -> tuple[ReplayReport, list[StreamReport]]:
    """Both at once; then the rest of the topic, if the replay paused for long. Raises what the replay raises."""
    broker = open_broker()
    with ThreadPoolExecutor(1) as pool:
        replay = pool.submit(_replay, topic)
        while not broker.partitions(topic):
            if replay.done():
                replay.result()
            time.sleep(0.1)
        read = stream_to_postgres(topic, until="3")
        return replay.result(), [read, stream_to_postgres(topic)]


def _replay(topic: str) -> ReplayReport:
    return replay_trips(**MONTH, topic=topic, speed=SPEED, doubled=0.02, late=0.01, out_of_order=0.05)


def _busiest(url: str, topic: str) -> Table:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(_WINDOWS, (topic,))
            table = Table(*(column.name for column in cursor.description or ()), box=SIMPLE_HEAD)
            for row in cursor.fetchall():
                table.add_row(*map(str, row))
            return table
    finally:
        connection.close()
