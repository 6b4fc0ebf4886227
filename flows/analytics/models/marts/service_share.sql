{{ config(partitions=months()) }}

with companies as (
    select
        trips.source_month,
        trips.service,
        case
            when trips.service = 'yellow' then 'Yellow taxi'
            when trips.service = 'green' then 'Green taxi'
            when licenses.name in ('Uber', 'Lyft') then licenses.name
            else 'Other'
        end as company,
        cast(sum(trips.trips) as {{ count_type() }}) as trips,
        sum(trips.revenue) as revenue
    from (
        select source_month, service, hvfhs_license_num, count(*) as trips, sum(total_amount) as revenue
        from {{ ref('trips') }}
        where {{ in_months() }}
        group by source_month, service, hvfhs_license_num
    ) as trips
    left join {{ source('tlc', 'hvfhs_licenses') }} as licenses on licenses.code = trips.hvfhs_license_num
    group by 1, 2, 3
)

select
    source_month,
    service,
    company,
    trips,
    revenue,
    100.0 * cast(trips as {{ double_type() }}) / cast(sum(trips) over (partition by source_month) as {{ double_type() }}) as percent_of_trips
from companies
