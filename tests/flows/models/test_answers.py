"""The models answer the same in Postgres and in DuckDB, to the cent, as plain SQL over the trips does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from flows import build_models
from flows.dbt.project import mart_names
from tests.flows.models.conftest import Put, Rows, Targets, by_keys, load

# Written again, by other means, on the tables that the loads make: DuckDB's own percentiles, its own joins.
TRIPS = """
with t as (
    select 'yellow' as service, source_month as month, tpep_pickup_datetime as up, tpep_dropoff_datetime as off,
        pu_location_id as pu, do_location_id as off_zone, payment_type as pay, trip_distance as miles,
        fare_amount as fare, tip_amount as tip, tolls_amount as tolls, total_amount as total, null as license
    from tlc.yellow_trips
    union all
    select 'green', source_month, lpep_pickup_datetime, lpep_dropoff_datetime, pu_location_id, do_location_id,
        payment_type, trip_distance, fare_amount, tip_amount, tolls_amount, total_amount, null
    from tlc.green_trips
    union all
    select 'fhv', source_month, pickup_datetime, dropoff_datetime, pu_location_id, do_location_id,
        null, null, null, null, null, null, null
    from tlc.fhv_trips
    union all
    select 'fhvhv', source_month, pickup_datetime, dropoff_datetime, pu_location_id, do_location_id, null, trip_miles,
        base_passenger_fare, tips, tolls, base_passenger_fare + ifnull(tolls, 0) + ifnull(bcf, 0) + ifnull(sales_tax, 0)
        + ifnull(congestion_surcharge, 0) + ifnull(airport_fee, 0) + ifnull(cbd_congestion_fee, 0) + ifnull(tips, 0),
        hvfhs_license_num
    from tlc.fhvhv_trips
),
timed as (select *, epoch(off - up) / 60 as minutes from t where off >= up)
"""
FARES = "fare > 0 and miles > 0 and (pay in (1, 2) or service = 'fhvhv')"
PLAIN = {
    "daily_trips": "select month, service, up::date, pu, count(*), sum(total), sum(fare), sum(tip), sum(miles) from t "
    "group by all",
    "hourly_zone_trips": "select month, service, date_trunc('hour', up), pu, count(*), sum(total) from t group by all",
    "monthly_zone_revenue": "select month, service, pu, (select zone from tlc.zones where location_id = pu), "
    "(select borough from tlc.zones where location_id = pu), count(*), sum(total), sum(fare), sum(tip), sum(tolls), "
    "sum(miles) from t group by month, service, pu",
    "monthly_fare_percentiles": "select month, service, count(*), "
    + ", ".join(f"quantile_cont(fare, {point})" for point in (0.25, 0.5, 0.75, 0.9, 0.95, 0.97))
    + f" from t where {FARES} group by month, service",
    "fhv_travel_time": "select month, service, pu, p.zone, off_zone, d.zone, count(*), quantile_cont(minutes, 0.5), "
    "quantile_cont(minutes, 0.9) from timed left join tlc.zones p on p.location_id = pu left join tlc.zones d on "
    "d.location_id = off_zone where service = 'fhv' and pu is not null and off_zone is not null group by all",
    "airport_trips": "select month, service, off_zone, d.zone, coalesce(p.borough, 'Unknown'), hour(up), count(*), "
    "quantile_cont(minutes, 0.5), quantile_cont(minutes, 0.9) from timed left join tlc.zones p on p.location_id = pu "
    "left join tlc.zones d on d.location_id = off_zone where off_zone in (1, 132, 138) group by all",
    "service_share": "select month, service, case license when 'HV0003' then 'Uber' when 'HV0005' then 'Lyft' else "
    "case service when 'yellow' then 'Yellow taxi' when 'green' then 'Green taxi' else 'Other' end end as company, "
    "count(*) as trips, sum(total), 100.0 * count(*) / sum(count(*)) over (partition by month) from t "
    "group by month, service, company",
    "tips": "select month, service, pay, n.name, count(*), count(*) filter (tip > 0), sum(fare), sum(tip), "
    "case when sum(fare) > 0 then 100 * sum(tip) / sum(fare) end from t left join tlc.payment_types n on n.code = pay "
    "where service <> 'fhv' group by month, service, pay, n.name",
    "quarterly_revenue": "select month, service, year(month), quarter(month), count(*), sum(total), "
    "count(distinct month) over (partition by service, year(month), quarter(month)), "
    "sum(count(*)) over (partition by service, year(month), quarter(month))::bigint, "
    "sum(sum(total)) over (partition by service, year(month), quarter(month)), null, null, null from t "
    "group by month, service",
    "month_quality": "select month, service, 'loaded', null, count(*), count(*) from t group by all "
    "union all select (month || '-01')::date, dataset, 'flagged', rule, n, n from (select month, dataset, "
    "unnest(json_keys(flagged_by_rule)) as rule, (flagged_by_rule ->> rule)::bigint as n from tlc.loads) "
    "union all select (month || '-01')::date, dataset, 'rejected', rule, n, n from (select month, dataset, "
    "unnest(json_keys(rejected_by_rule)) as rule, (rejected_by_rule ->> rule)::bigint as n from tlc.loads)",
}


def sums(row: tuple[Any, ...]) -> list[float]:
    return [value for value in row if isinstance(value, float)]


def assert_answers(read_mart: Callable[[str], Rows], plain: Callable[[str], Rows]) -> None:
    """Each mart has the rows that plain SQL gives; ``plain`` queries the trips in DuckDB."""
    assert set(PLAIN) == set(mart_names())
    for mart, sql in PLAIN.items():
        expected, found = sorted(plain(f"{TRIPS} {sql}"), key=by_keys), read_mart(mart)
        assert len(expected) >= 3, mart
        assert [by_keys(row) for row in found] == [by_keys(row) for row in expected], mart
        for row, other in zip(found, expected, strict=True):
            assert sums(row) == pytest.approx(sums(other), abs=0.005), (mart, row)


@pytest.mark.timeout(900)
def test_both_engines_answer_as_plain_sql_does(targets: Targets, publish: Put) -> None:
    for dataset in ("yellow", "fhv", "fhvhv"):
        publish(dataset, "2023-12", rows=4_000)
        load(dataset, "2023-12")
    publish("yellow", "2009-01", rows=1_000)  # without zones
    load("yellow", "2009-01")
    load("green", "2023-12")  # real files
    load("green", "2020-12", drop_rules=["zero_distance"])

    for target in ("postgres", "bigquery"):
        report = build_models(target=target)
        assert (report.status, report.months) == ("built", ["2009-01", "2020-12", "2023-12"])
        assert report.failures == []
        assert {node.name for node in report.of("model", "built")} >= set(mart_names())
    for target in ("postgres", "bigquery"):
        assert_answers(partial(targets.rows, target), partial(targets.query, "bigquery"))

    for target in ("postgres", "bigquery"):
        assert build_models(target=target).status == "unchanged"
