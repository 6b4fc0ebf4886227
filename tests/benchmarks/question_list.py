"""The questions that all engines are asked, in SQL that Postgres and DuckDB take alike."""

from __future__ import annotations

from datetime import timedelta

from flows.tlc.dataset import Dataset
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from tests.plain_marts import GREEN, PLAIN, TIMED, YELLOW

_TRIPS = {Dataset.yellow: YELLOW, Dataset.green: GREEN}
# Two zones between which there are trips every hour: JFK Airport and Times Square; two in East Harlem.
_ZONES = {Dataset.yellow: (132, 230), Dataset.green: (74, 75)}

# Those for which an index can matter: the others read every row of their months.
SELECTIVE = ("between two zones", "one day", "one hour from one zone")


def questions(dataset: Dataset, month: Month) -> dict[str, str]:
    """The four of the "1.1 billion taxi rides" benchmark, and ten that the marts answer, by name.

    Those that ask for one month, day or hour ask for one of ``month``.
    """
    return _well_known(dataset) | _of_marts(dataset, month)


def _well_known(dataset: Dataset) -> dict[str, str]:
    table, pickup = f"{SCHEMA}.{trips_table(dataset)}", schema_of(dataset).role("pickup")
    assert pickup is not None
    year = f"extract(year from {pickup.name})::int"
    # Not round(): Postgres rounds 2.5 to 2, DuckDB to 3.
    miles = "floor(trip_distance + 0.5)"
    return {
        "taxi 1: trips by vendor": f"select vendor_id, count(*) from {table} group by 1",
        "taxi 2: mean total by passengers": f"select passenger_count, avg(total_amount) from {table} group by 1",
        "taxi 3: by passengers and year": f"select passenger_count, {year}, count(*) from {table} group by 1, 2",
        "taxi 4: by passengers, year, miles": f"select passenger_count, {year}, {miles}, count(*) from {table} "
        "group by 1, 2, 3 order by 2, 4 desc",
    }


def _of_marts(dataset: Dataset, month: Month) -> dict[str, str]:
    first, second = _ZONES[dataset]
    day = month.first_day + timedelta(days=14)
    hour = f"up >= timestamp '{day} 18:00' and up < timestamp '{day} 19:00'"
    asked = {
        "each day": "select up::date, count(*), sum(total) from t group by 1",
        "each hour of the day": "select extract(hour from up)::int, count(*), sum(total) from t group by 1",
        "zones, each month": PLAIN["monthly_zone_revenue"],
        "tips, each month": PLAIN["tips"],
        "to the airports, each month": PLAIN["airport_trips"],
        "best ten zones of one month": "select pu, count(*), sum(total) from t "
        f"where month = date '{month.first_day}' group by 1 order by 2 desc, 1 limit 10",
        # Not of all months: DuckDB keeps every value in memory, and 1 GB is not enough for 20 million.
        "fare percentiles of one month": "select percentile_cont(0.5) within group (order by fare), "
        f"percentile_cont(0.95) within group (order by fare) from t where month = date '{month.first_day}'",
        "between two zones": "select count(*), avg(minutes), avg(total) from timed "
        f"where pu = {first} and off_zone = {second}",
        "one day": "select count(*), sum(total), sum(miles) from t "
        f"where up >= timestamp '{day}' and up < timestamp '{day + timedelta(days=1)}'",
        "one hour from one zone": f"select off_zone, count(*), sum(total) from t where pu = {first} and {hour} "
        "group by 1",
    }
    # Postgres would first write down all of t, which is named twice, and use no index.
    trips = f"with t as not materialized ({_TRIPS[dataset]}), {TIMED}"
    return {name: f"{trips} {sql}" for name, sql in asked.items()}
