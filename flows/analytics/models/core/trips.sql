{#- The trips of all four datasets with the columns that they share. The condition on source_month that a reader gives
    reaches each of the tables, so that only these months are read. -#}
{%- set charges = ['base_passenger_fare', 'tolls', 'bcf', 'sales_tax', 'congestion_surcharge', 'airport_fee',
                   'cbd_congestion_fee', 'tips'] -%}
{%- for service, prefix in [('yellow', 'tpep_'), ('green', 'lpep_')] %}
select
    '{{ service }}' as service,
    source_month,
    {{ prefix }}pickup_datetime as pickup_datetime,
    {{ prefix }}dropoff_datetime as dropoff_datetime,
    pu_location_id,
    do_location_id,
    cast(null as {{ text_type() }}) as hvfhs_license_num,
    payment_type,
    passenger_count,
    trip_distance,
    fare_amount,
    tip_amount,
    tolls_amount,
    total_amount
from {{ ref('stg_' ~ service ~ '_trips') }}
union all
{%- endfor %}
select
    'fhv' as service,
    source_month,
    pickup_datetime,
    dropoff_datetime,
    pu_location_id,
    do_location_id,
    null as hvfhs_license_num,
    null as payment_type,
    null as passenger_count,
    null as trip_distance,
    null as fare_amount,
    null as tip_amount,
    null as tolls_amount,
    null as total_amount
from {{ ref('stg_fhv_trips') }}
union all
select
    'fhvhv' as service,
    source_month,
    pickup_datetime,
    dropoff_datetime,
    pu_location_id,
    do_location_id,
    hvfhs_license_num,
    null as payment_type,
    null as passenger_count,
    trip_miles as trip_distance,
    base_passenger_fare as fare_amount,
    tips as tip_amount,
    tolls as tolls_amount,
    -- What the passenger paid: the companies report its parts alone. Without a fare it is not known.
    base_passenger_fare
    {%- for charge in charges[1:] %}
        + coalesce({{ charge }}, 0)
    {%- endfor %} as total_amount
from {{ ref('stg_fhvhv_trips') }}
