{{ config(partitions=months()) }}

with timed as (
    select
        trips.source_month,
        trips.service,
        trips.do_location_id,
        coalesce(zones.borough, 'Unknown') as pu_borough,
        extract(hour from trips.pickup_datetime) as pickup_hour,
        {{ minutes_between('trips.pickup_datetime', 'trips.dropoff_datetime') }} as minutes
    from {{ ref('trips') }} as trips
    left join {{ ref('zones') }} as zones on zones.location_id = trips.pu_location_id
    where {{ in_months('trips.source_month') }} and not {{ left_out('airport_trips') }}
),

hours as (
    {{ percentiles('timed', ['source_month', 'service', 'do_location_id', 'pu_borough', 'pickup_hour'],
                   'minutes', [0.5, 0.9]) }}
)

select
    hours.source_month,
    hours.service,
    hours.do_location_id,
    airports.zone as airport,
    hours.pu_borough,
    cast(hours.pickup_hour as {{ count_type() }}) as pickup_hour,
    hours.trips,
    hours.p50 as p50_minutes,
    hours.p90 as p90_minutes
from hours
left join {{ ref('zones') }} as airports on airports.location_id = hours.do_location_id
