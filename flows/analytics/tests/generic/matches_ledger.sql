{# The mart's trips of each file month are the ledger's loaded rows without those that the mart leaves out.

   mart   under which name macros/left_out.sql has what it leaves out; none if it leaves out nothing
   A month that was removed from the table of trips is in no mart, whatever the ledger says of it. #}
{% test matches_ledger(model, mart=none) %}
with ledger as (
    select service, source_month, rows_loaded from {{ ref('loaded_months') }} where {{ in_months() }}
),

counted as (
    select service, source_month, sum(trips) as trips, sum(left_out) as left_out, sum(is_ledger) as is_ledger,
        sum(rows_loaded) as rows_loaded
    from (
        select service, source_month, trips, 0 as left_out, 0 as is_ledger, 0 as rows_loaded from {{ model }}
        union all
        select service, source_month, 0 as trips, 0 as left_out, 1 as is_ledger, rows_loaded from ledger
        {%- if mart %}
        union all
        select service, source_month, 0 as trips, count(*) as left_out, 0 as is_ledger, 0 as rows_loaded
        from {{ ref('trips') }}
        where {{ in_months() }} and {{ left_out(mart) }}
        group by service, source_month
        {%- endif %}
    ) as places
    group by service, source_month
),

differing as (
    select * from counted where is_ledger = 0 or trips <> rows_loaded - left_out
)

select differing.*
from differing
where differing.trips > 0 or exists (
    select 1 from {{ ref('trips') }} as trips
    where trips.service = differing.service and trips.source_month = differing.source_month
)
{% endtest %}
