"""Marts that nobody built: the columns of the real ones, some months of rows, in any of the three engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

from flows.tlc.dataset import Dataset
from flows.tlc.month import Month, months_between

# By engine: the SQL type of a column's kind.
TYPES = {
    "postgres": {"day": "date", "text": "text", "count": "bigint", "number": "double precision", "time": "timestamp"},
    "duckdb": {"day": "date", "text": "text", "count": "bigint", "number": "double", "time": "timestamp"},
    "bigquery": {"day": "DATE", "text": "STRING", "count": "INT64", "number": "FLOAT64", "time": "DATETIME"},
}
_KEY = {"source_month": "day", "service": "text"}
_SUMS = {"trips": "count", "revenue": "number"}
COLUMNS: dict[str, dict[str, str]] = {
    "daily_trips": _KEY | {"pickup_date": "day", "pu_location_id": "count"} | _SUMS,
    "hourly_zone_trips": _KEY | {"pickup_hour": "time", "pu_location_id": "count"} | _SUMS,
    "monthly_zone_revenue": _KEY | {"pu_location_id": "count", "zone": "text", "borough": "text"} | _SUMS,
    "quarterly_revenue": _KEY
    | {"year": "count", "quarter": "count", "quarter_months": "count", "quarter_revenue": "number"}
    | {"year_on_year_percent": "number"},
    "monthly_fare_percentiles": _KEY
    | {"trips": "count"}
    | dict.fromkeys(["p25", "p50", "p75", "p90", "p95", "p97"], "number"),
    "fhv_travel_time": _KEY
    | {"pu_location_id": "count", "pu_zone": "text", "do_location_id": "count", "do_zone": "text", "trips": "count"}
    | {"p50_minutes": "number", "p90_minutes": "number"},
    "airport_trips": _KEY
    | {"do_location_id": "count", "airport": "text", "pu_borough": "text", "pickup_hour": "count", "trips": "count"}
    | {"p50_minutes": "number", "p90_minutes": "number"},
    "service_share": _KEY | {"company": "text"} | _SUMS | {"percent_of_trips": "number"},
    "tips": _KEY
    | {"payment_type": "count", "payment": "text", "trips": "count", "fares": "number", "tips": "number"}
    | {"percent_of_fares": "number"},
    "month_quality": _KEY | {"outcome": "text", "rule": "text", "trips": "count", "ledger_trips": "count"},
}
HOSTILE = '</script><script>document.title = "broken into"</script><img src=x onerror=alert(1)> & "Co"'
ZONES = {1: ("Newark Airport", "EWR"), 132: ("JFK Airport", "Queens"), 7: (HOSTILE, "Queens"), 264: (None, None)}
COMPANIES = {"yellow": ["Yellow taxi"], "green": ["Green taxi"], "fhv": ["Other"], "fhvhv": ["Uber", "Lyft"]}
YEAR = list(months_between(Month(2023, 1), Month(2024, 3)))


def _revenue(service: str, trips: int) -> float | None:
    return None if service == "fhv" else trips * 17.25


def _per_month(month: Month, place: int, service: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Table and row of all that a service has of a month, the ``place``-th of the services."""
    day, size = month.first_day, (place + 1) * (month.number + month.year - 2000)
    for number, (zone, (name, borough)) in enumerate(ZONES.items(), 1):
        trips = size * number
        yield "daily_trips", (day, service, day, zone, trips, _revenue(service, trips))
        yield "monthly_zone_revenue", (day, service, zone, name, borough, trips, _revenue(service, trips))
    for hour in range(0, 7 * 24, 5):
        trips = size + hour % 24 + hour // 24
        start = datetime(month.year, month.number, 1) + timedelta(hours=hour)
        yield "hourly_zone_trips", (day, service, start, 7, trips, _revenue(service, trips))
    for company in COMPANIES[service]:
        trips = size * 10 // len(COMPANIES[service])
        yield "service_share", (day, service, company, trips, _revenue(service, trips), trips / 100)
    for hour in (0, 8, 23):
        for borough in ("Queens", "Manhattan"):
            trips = size + len(borough)
            row = (day, service, 132, "JFK Airport", borough, hour, trips, 30.5 + hour, 50.25 + hour)
            yield "airport_trips", row
    yield "month_quality", (day, service, "loaded", None, size * 100, size * 100)
    yield "month_quality", (day, service, "flagged", "zero_distance", size * 3, size * 3)
    yield "month_quality", (day, service, "rejected", "no_pickup_time", size, size)
    if service == "fhv":
        yield "fhv_travel_time", (day, service, 7, HOSTILE, 264, None, size * 5, 12.5, 30.0)
        yield "fhv_travel_time", (day, service, 132, "JFK Airport", 1, "Newark Airport", size, 50.5, 90.0 + size)
        return
    change = None if month.year == YEAR[0].year else 12.5 + place
    quarter = (month.number + 2) // 3
    yield "quarterly_revenue", (day, service, month.year, quarter, 3, size * 1000.5, change)
    yield "monthly_fare_percentiles", (day, service, size, 7.5, 11.0, 19.5, 33.0, 52.25, 70.0)
    payments = [(None, None)] if service == "fhvhv" else [(1, "Credit card"), (2, "Cash"), (0, None)]
    for number, (code, payment) in enumerate(payments):
        fares, tips = size * 100.0, size * 12.5 * (number == 0)
        yield "tips", (day, service, code, payment, size * 10, fares, tips, 100 * tips / fares)


def _literal(value: Any, engine: str) -> str:
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return f"{'datetime' if engine == 'bigquery' else 'timestamp'} '{value}'"
    if isinstance(value, date):
        return f"date '{value}'"
    return f"'{value}'" if isinstance(value, str) else repr(value)


def make_marts(
    run: Callable[[str], object], engine: str, schema: str = "tlc_marts", months: list[Month] | None = None
) -> None:
    """Make the tables with ``months`` by running statements in the engine's SQL; the schema is there already."""
    rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in COLUMNS}
    for month in YEAR if months is None else months:
        for place, service in enumerate(Dataset):
            for table, row in _per_month(month, place, str(service)):
                rows[table].append(row)
    for table, columns in COLUMNS.items():
        kinds = ", ".join(f"{name} {TYPES[engine][kind]}" for name, kind in columns.items())
        if engine != "bigquery":  # whose tables are made by its client
            run(f"create table {schema}.{table} ({kinds})")
        if rows[table]:
            values = ", ".join(f"({', '.join(_literal(value, engine) for value in row)})" for row in rows[table])
            run(f"insert into {schema}.{table} ({', '.join(columns)}) values {values}")
