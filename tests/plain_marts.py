"""The marts written again as plain SQL on the tables that the loads make, which Postgres and DuckDB take alike.

By other means: the engines' own percentiles, their own joins. Of ``month_quality`` only the loaded rows.
"""

from __future__ import annotations

YELLOW = """
    select 'yellow' as service, source_month as month, tpep_pickup_datetime as up, tpep_dropoff_datetime as off,
        pu_location_id as pu, do_location_id as off_zone, payment_type as pay, trip_distance as miles,
        fare_amount as fare, tip_amount as tip, tolls_amount as tolls, total_amount as total, null as license
    from tlc.yellow_trips"""
GREEN = """
    select 'green' as service, source_month as month, lpep_pickup_datetime as up, lpep_dropoff_datetime as off,
        pu_location_id as pu, do_location_id as off_zone, payment_type as pay, trip_distance as miles,
        fare_amount as fare, tip_amount as tip, tolls_amount as tolls, total_amount as total, null as license
    from tlc.green_trips"""
FHV = """
    select 'fhv', source_month, pickup_datetime, dropoff_datetime, pu_location_id, do_location_id,
        null, null, null, null, null, null, null
    from tlc.fhv_trips"""
FHVHV = """
    select 'fhvhv', source_month, pickup_datetime, dropoff_datetime, pu_location_id, do_location_id, null, trip_miles,
        base_passenger_fare, tips, tolls, base_passenger_fare + coalesce(tolls, 0) + coalesce(bcf, 0)
        + coalesce(sales_tax, 0) + coalesce(congestion_surcharge, 0) + coalesce(airport_fee, 0)
        + coalesce(cbd_congestion_fee, 0) + coalesce(tips, 0), hvfhs_license_num
    from tlc.fhvhv_trips"""
TIMED = "timed as (select *, extract(epoch from off - up) / 60 as minutes from t where off >= up)"
# Inlined, as somebody's own query would be: Postgres keeps what is named twice in a temporary table.
TRIPS = f"with t as not materialized ({' union all '.join((YELLOW, GREEN, FHV, FHVHV))}\n), {TIMED}"
_FARES = "fare > 0 and miles > 0 and (pay in (1, 2) or service = 'fhvhv')"
_ZONES = "left join tlc.zones p on p.location_id = pu left join tlc.zones d on d.location_id = off_zone"
_QUARTER = "extract(year from month)::int, extract(quarter from month)::int"


def _percentiles(column: str, *points: float) -> str:
    return ", ".join(f"percentile_cont({point}) within group (order by {column})" for point in points)


PLAIN = {
    "daily_trips": "select month, service, up::date, pu, count(*), sum(total), sum(fare), sum(tip), sum(miles) from t "
    "group by 1, 2, 3, 4",
    "hourly_zone_trips": "select month, service, date_trunc('hour', up), pu, count(*), sum(total) from t "
    "group by 1, 2, 3, 4",
    "monthly_zone_revenue": "select month, service, pu, zone, borough, count(*), sum(total), sum(fare), sum(tip), "
    "sum(tolls), sum(miles) from t left join tlc.zones on location_id = pu group by 1, 2, 3, 4, 5",
    "monthly_fare_percentiles": f"select month, service, count(*), "
    f"{_percentiles('fare', 0.25, 0.5, 0.75, 0.9, 0.95, 0.97)} from t where {_FARES} group by 1, 2",
    "fhv_travel_time": f"select month, service, pu, p.zone, off_zone, d.zone, count(*), "
    f"{_percentiles('minutes', 0.5, 0.9)} from timed {_ZONES} where service = 'fhv' and pu is not null "
    "and off_zone is not null group by 1, 2, 3, 4, 5, 6",
    "airport_trips": "select month, service, off_zone, d.zone, coalesce(p.borough, 'Unknown'), "
    f"extract(hour from up)::int, count(*), {_percentiles('minutes', 0.5, 0.9)} from timed {_ZONES} "
    "where off_zone in (1, 132, 138) group by 1, 2, 3, 4, 5, 6",
    "service_share": "select month, service, case license when 'HV0003' then 'Uber' when 'HV0005' then 'Lyft' else "
    "case service when 'yellow' then 'Yellow taxi' when 'green' then 'Green taxi' else 'Other' end end, "
    "count(*), sum(total), 100.0 * count(*)::float / sum(count(*)) over (partition by month)::float from t "
    "group by 1, 2, 3",
    "tips": "select month, service, pay, n.name, count(*), count(*) filter (where tip > 0), sum(fare), sum(tip), "
    "case when sum(fare) > 0 then 100 * sum(tip) / sum(fare) end from t left join tlc.payment_types n on n.code = pay "
    "where service <> 'fhv' group by 1, 2, 3, 4",
    "quarterly_revenue": f"select month, service, {_QUARTER}, count(*), sum(total), "
    "count(*) over quarter, (sum(count(*)) over quarter)::bigint, sum(sum(total)) over quarter, null, null, null "
    f"from t group by 1, 2, 3, 4 window quarter as (partition by service, {_QUARTER})",
    "month_quality": "select month, service, 'loaded', null, count(*), count(*) from t group by 1, 2",
}
