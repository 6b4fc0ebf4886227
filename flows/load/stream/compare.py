"""A month in the stream beside the lake's: rows and sums by pickup zone and hour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg2.extensions
from psycopg2 import sql

from flows.decide.stream import StreamComparison
from flows.load.postgres.errors import postgres_errors, transaction
from flows.load.postgres.tables import fetch_value
from flows.load.stream.tables import SCHEMA as STREAM
from flows.load.stream.tables import TRIPS
from flows.tlc.dataset import Dataset
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from flows.tlc.totals import Totals, differences, in_one_sentence
from flows.transform.totals import TotalsColumns

# Zone and hour; a trip without a zone is in zone -1.
Group = tuple[int, Any]
_EXAMPLES = 3


def zone_hours_select(dataset: Dataset) -> str:
    """The lake's query for zone, hour, rows, amounts and distances of a dataset."""
    table = trips_table(dataset)
    return f"select {_columns(dataset)} from {SCHEMA}.{table} group by 1, 2"  # noqa: S608


def zone_hours_of_stream(
    connection: psycopg2.extensions.connection, topic: str, dataset: Dataset, month: Month
) -> dict[Group, Totals]:
    """The same of the events of a month that came by a topic."""
    with postgres_errors("nothing was changed"), transaction(connection), connection.cursor() as cursor:
        cursor.execute("select to_regclass(%s)", (f"{STREAM}.trips",))
        if fetch_value(cursor) is None:
            return {}
        cursor.execute(
            sql.SQL("select {} from {} where topic = %s and dataset = %s and source_month = %s group by 1, 2").format(
                sql.SQL(_columns(dataset)), TRIPS
            ),
            (topic, str(dataset), month.first_day),
        )
        return {_group(row): _totals(row) for row in cursor}


def compare_zone_hours(
    stream: dict[Group, Totals], lake: Iterable[Sequence[Any]], comparison: StreamComparison
) -> StreamComparison:
    """Fill in what the two have, and where they differ; ``stream`` is used up."""
    nothing = Totals(0, 0.0, 0.0)
    groups = ((_group(row), _totals(row)) for row in lake)
    for group, expected in groups:
        _count(comparison, group, stream.pop(group, nothing), expected)
    for group, found in stream.items():
        _count(comparison, group, found, nothing)
    comparison.status = "differs" if comparison.differing else "equal"
    return comparison


def _count(comparison: StreamComparison, group: Group, found: Totals, expected: Totals) -> None:
    comparison.groups += 1
    comparison.rows_in_stream += found.rows
    comparison.rows_in_lake += expected.rows
    comparison.amounts_in_stream += found.amounts or 0.0
    comparison.amounts_in_lake += expected.amounts or 0.0
    if differing := differences(found, expected):
        comparison.differing += 1
        if comparison.differing <= _EXAMPLES:
            zone, hour = group
            comparison.examples.append(f"zone {zone}, {hour:%Y-%m-%d %H} h: {in_one_sentence(differing)}")


def _columns(dataset: Dataset) -> str:
    """Names come from the schema files, where they are plain identifiers in every dialect."""
    schema = schema_of(dataset)
    names, zone = TotalsColumns.of(schema), schema.role("pickup_zone")
    assert zone is not None, "every dataset has a pickup zone"
    return ", ".join(
        [
            f"coalesce({zone.name}, -1) as zone",
            f"date_trunc('hour', {names.pickup}) as hour",
            "count(*) as trips",
            *(f"coalesce(sum({name}), 0.0) as {name}" if name else "null" for name in (names.amount, names.distance)),
        ]
    )


def _group(row: Sequence[Any]) -> Group:
    return row[0], row[1]


def _totals(row: Sequence[Any]) -> Totals:
    return Totals(*row[2:])
