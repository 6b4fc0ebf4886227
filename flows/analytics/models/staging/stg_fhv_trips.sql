{#- Written by `python -m flows.tlc.dbt_files` from flows/tlc: change that, not this. -#}
select
    dispatching_base_num,
    pickup_datetime,
    dropoff_datetime,
    pu_location_id,
    do_location_id,
    sr_flag,
    affiliated_base_number,
    source_month
from {{ source('tlc', 'fhv_trips') }}
