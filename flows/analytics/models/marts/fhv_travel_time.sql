{{ config(partitions=months()) }}

with timed as (
    select source_month, service, pu_location_id, do_location_id,
        {{ minutes_between('pickup_datetime', 'dropoff_datetime') }} as minutes
    from {{ ref('trips') }}
    where {{ in_months() }} and not {{ left_out('fhv_travel_time') }}
),

pairs as (
    {{ percentiles('timed', ['source_month', 'service', 'pu_location_id', 'do_location_id'], 'minutes', [0.5, 0.9]) }}
)

select
    pairs.source_month,
    pairs.service,
    pairs.pu_location_id,
    pickup.zone as pu_zone,
    pairs.do_location_id,
    dropoff.zone as do_zone,
    pairs.trips,
    pairs.p50 as p50_minutes,
    pairs.p90 as p90_minutes
from pairs
left join {{ ref('zones') }} as pickup on pickup.location_id = pairs.pu_location_id
left join {{ ref('zones') }} as dropoff on dropoff.location_id = pairs.do_location_id
