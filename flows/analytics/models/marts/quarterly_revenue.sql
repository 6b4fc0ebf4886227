{#- A view: what a quarter is compared with changes when a month of the year before does, and there is little to add
    up. -#}
{{ config(materialized='view') }}

with months as (
    select
        source_month,
        service,
        extract(year from source_month) as year,
        extract(quarter from source_month) as quarter,
        cast(sum(trips) as {{ count_type() }}) as trips,
        sum(revenue) as revenue
    from {{ ref('monthly_zone_revenue') }}
    group by source_month, service
),

quarters as (
    select
        service,
        year,
        quarter,
        count(*) as months,
        cast(sum(trips) as {{ count_type() }}) as trips,
        sum(revenue) as revenue
    from months
    group by service, year, quarter
)

select
    months.source_month,
    months.service,
    cast(months.year as {{ count_type() }}) as year,
    cast(months.quarter as {{ count_type() }}) as quarter,
    months.trips,
    months.revenue,
    quarters.months as quarter_months,
    quarters.trips as quarter_trips,
    quarters.revenue as quarter_revenue,
    before.trips as quarter_trips_year_before,
    before.revenue as quarter_revenue_year_before,
    -- Only whole quarters are compared.
    case
        when quarters.months = 3 and before.months = 3 and before.revenue > 0
            then 100.0 * (quarters.revenue / before.revenue - 1)
    end as year_on_year_percent
from months
inner join quarters
    on quarters.service = months.service and quarters.year = months.year and quarters.quarter = months.quarter
left join quarters as before
    on before.service = months.service and before.year = months.year - 1 and before.quarter = months.quarter
