{{ config(partitions=months()) }}

select
    source_month,
    service,
    cast(pickup_datetime as date) as pickup_date,
    pu_location_id,
    count(*) as trips,
    sum(total_amount) as revenue,
    sum(fare_amount) as fares,
    sum(tip_amount) as tips,
    sum(trip_distance) as miles
from {{ ref('trips') }}
where {{ in_months() }}
group by source_month, service, cast(pickup_datetime as date), pu_location_id
