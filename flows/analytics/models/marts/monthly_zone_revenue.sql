{{ config(partitions=months()) }}

select
    summed.source_month,
    summed.service,
    summed.pu_location_id,
    zones.zone,
    zones.borough,
    summed.trips,
    summed.revenue,
    summed.fares,
    summed.tips,
    summed.tolls,
    summed.miles
from (
    select
        source_month,
        service,
        pu_location_id,
        count(*) as trips,
        sum(total_amount) as revenue,
        sum(fare_amount) as fares,
        sum(tip_amount) as tips,
        sum(tolls_amount) as tolls,
        sum(trip_distance) as miles
    from {{ ref('trips') }}
    where {{ in_months() }}
    group by source_month, service, pu_location_id
) as summed
left join {{ ref('zones') }} as zones on zones.location_id = summed.pu_location_id
