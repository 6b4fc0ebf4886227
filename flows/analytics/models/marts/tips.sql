{{ config(partitions=months()) }}

select
    summed.source_month,
    summed.service,
    summed.payment_type,
    payments.name as payment,
    summed.trips,
    summed.tipped_trips,
    summed.fares,
    summed.tips,
    case when summed.fares > 0 then 100.0 * summed.tips / summed.fares end as percent_of_fares
from (
    select
        source_month,
        service,
        payment_type,
        count(*) as trips,
        cast(sum(case when tip_amount > 0 then 1 else 0 end) as {{ count_type() }}) as tipped_trips,
        sum(fare_amount) as fares,
        sum(tip_amount) as tips
    from {{ ref('trips') }}
    where {{ in_months() }} and not {{ left_out('tips') }}
    group by source_month, service, payment_type
) as summed
left join {{ source('tlc', 'payment_types') }} as payments on payments.code = summed.payment_type
