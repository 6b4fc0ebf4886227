{{ config(partitions=months()) }}

select
    source_month,
    service,
    {{ hour_of('pickup_datetime') }} as pickup_hour,
    pu_location_id,
    count(*) as trips,
    sum(total_amount) as revenue
from {{ ref('trips') }}
where {{ in_months() }}
group by source_month, service, {{ hour_of('pickup_datetime') }}, pu_location_id
