"""Run the same query on Postgres, the lake and the warehouse, whose results must be equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import psycopg2
import pyarrow.compute as pc
import pyarrow.dataset as ds

from blocks.settings import Settings
from flows.tlc.dataset import Dataset
from flows.tlc.locations import SCHEMA, trips_table

_QUESTION = (
    f"select count(*), sum(total_amount), sum(trip_distance), count(distinct pu_location_id) "  # noqa: S608
    f"from {SCHEMA}.{trips_table(Dataset.yellow)}"
)


def compare_targets(postgres_url: str) -> tuple[list[str], list[list[str]]]:
    """Column names, and a row of texts each from Postgres, from the lake's files and from the warehouse's file."""
    answers = {"Postgres": _postgres(postgres_url), "lake (Parquet)": _lake(), "warehouse (DuckDB)": _warehouse()}
    names = ["", "trips", "sum of totals, $", "sum of distances, miles", "pickup zones"]
    return names, [[place, *_texts(answer)] for place, answer in answers.items()]


def _texts(answer: Sequence[Any]) -> list[str]:
    trips, totals, miles, zones = answer
    return [f"{trips:,}", f"{totals:,.2f}", f"{miles:,.2f}", str(zones)]


def _postgres(url: str) -> Sequence[Any]:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(_QUESTION)
            row: Sequence[Any] = cursor.fetchone() or ()
            return row
    finally:
        connection.close()


def _lake() -> Sequence[Any]:
    folder = Settings().local_dir / "lake" / "trips" / Dataset.yellow / "unpartitioned"
    trips = ds.dataset(folder).to_table(columns=["total_amount", "trip_distance", "pu_location_id"])
    zones = pc.count_distinct(trips["pu_location_id"], mode="only_valid")
    return [
        trips.num_rows,
        pc.sum(trips["total_amount"]).as_py(),
        pc.sum(trips["trip_distance"]).as_py(),
        zones.as_py(),
    ]


def _warehouse() -> Sequence[Any]:
    with duckdb.connect(str(Settings().local_dir / "warehouse.duckdb"), read_only=True) as connection:
        row: Sequence[Any] = connection.execute(_QUESTION).fetchone() or ()
        return row
